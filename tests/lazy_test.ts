/**
 * What the agent imports costs every node its memory: what is only for those who
 * ask is imported when they do.
 *
 * @module
 */

import assert from "node:assert/strict";

interface Graph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      /** `undefined`: of types alone. */
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
}

const MOD = new URL("../mod/", import.meta.url).href;

async function graphOf(path: string): Promise<Graph> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", path],
    cwd: new URL("../", import.meta.url),
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Names below mod/ that are there once the first module is. */
function* reached(
  { modules, roots }: Graph,
  { dynamic }: { readonly dynamic: boolean },
): Generator<string> {
  const known = new Map(modules.map((module) => [module.specifier, module]));
  const seen = new Set<string>();
  const left = [...roots];
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (at.startsWith(MOD)) yield at.slice(MOD.length);
    for (const { code, isDynamic } of known.get(at)?.dependencies ?? []) {
      if (code?.specifier === undefined || (isDynamic && !dynamic)) continue;
      left.push(code.specifier);
    }
  }
}

Deno.test("run imports nothing of pages, metrics, traces, pictures or other commands before somebody asks", async () => {
  const graph = await graphOf("mod/cli/run.ts");
  const first = new Set(reached(graph, { dynamic: false }));
  const all = new Set(reached(graph, { dynamic: true }));
  const later = [...all].filter((name) => !first.has(name));
  for (const name of first) assert.doesNotMatch(name, /^(view|doctor)\//);
  // Those that only tests of their own would miss.
  for (
    const name of [
      ...["cli/metrics_page.ts", "view/metrics.ts", "sys/process_files.ts"],
      ...["view/page.ts", "view/graph_svg.ts", "core/snapshot.ts"],
      "sys/tracing.ts",
    ]
  ) assert(later.includes(name), `${name} is not imported on demand`);
  const commands = [...first].filter((name) => name.startsWith("cli/"));
  for (const name of commands) {
    assert.match(
      name,
      /^cli\/(compose|compose_parts|compose_tasks|pages|run|serve|setup|signals)\.ts$/,
    );
  }
});

Deno.test("main.ts imports no command before it is called for", async () => {
  const graph = await graphOf("main.ts");
  const first = [...reached(graph, { dynamic: false })].sort();
  assert.deepEqual(first, [
    "cli/main.ts",
    "core/errors.ts",
    "core/version.ts",
  ]);
});

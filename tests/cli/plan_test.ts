import assert from "node:assert/strict";
import { dryRun } from "../../mod/core/dry_run.ts";
import { parseSnapshot, snapshotText } from "../../mod/core/snapshot.ts";
import { takeSnapshot } from "../../mod/agent/snapshot.ts";
import { planText } from "../../mod/view/plan_text.ts";
import { CONFIG, listed, makeBench } from "../agent/bench.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function plan(
  args: readonly string[],
  input = "",
): Promise<Ended> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, "plan", ...args],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

async function emptyMachine(): Promise<string> {
  const bench = await makeBench();
  listed(bench, 3);
  const { conflist, kernel, nodes, publicKey } = bench;
  const { routes, sysctl, tables, wireguard: wireGuard } = kernel;
  return snapshotText(
    await takeSnapshot({
      config: CONFIG,
      publicKey,
      world: { wireGuard, routes, sysctl, tables, conflist },
      nodes: nodes.all(),
      listed: true,
      running: false,
      wallClock: Date.now,
    }),
  );
}

Deno.test("clusternet plan --snapshot prints the steps as text and as JSON, and its exit code tells of them where asked", async () => {
  const text = await emptyMachine();
  const expected = dryRun(parseSnapshot(text));
  const asText = await plan(["--snapshot", "-"], text);
  assert.deepEqual(asText, {
    code: 0,
    stdout: planText(expected),
    stderr: "",
  });
  const asJson = await plan(
    ["--snapshot=-", "-o", "json", "--exit-code"],
    text,
  );
  assert.equal(asJson.code, 3);
  assert.deepEqual(JSON.parse(asJson.stdout), expected);
  const again = await plan(["--snapshot=-", "--save=-"], text);
  assert.deepEqual(parseSnapshot(again.stdout), parseSnapshot(text));
});

const BAD: readonly (readonly [readonly string[], number, RegExp])[] = [
  [["-o", "xml"], 2, /^Cannot use --output xml: write one of text, json$/],
  [["--source", "moon"], 2, /^Cannot use --source moon: write one of auto, /],
  [["--snapshot"], 2, /^Cannot use --snapshot: it needs a value/],
  [
    ["--snapshot", "x", "--mtu", "1500"],
    2,
    /^Cannot use --mtu with --snapshot/,
  ],
  [
    ["--snapshot", "/nowhere"],
    1,
    /^Cannot use the snapshot \/nowhere: No such/,
  ],
  [
    ["--snapshot", "-"],
    1,
    /^Cannot use the snapshot standard input: it is no JSON/,
  ],
  [["--source", "agent", "--interface", "none"], 1, /^No agent runs on this /],
];

for (const [args, code, sentence] of BAD) {
  Deno.test(`clusternet plan ${args.join(" ")} is one sentence and exit code ${code}`, async () => {
    const ended = await plan(args);
    assert.equal(ended.code, code, ended.stderr);
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /^clusternet: [^\n]+\n$/);
    assert.match(ended.stderr.slice("clusternet: ".length).trimEnd(), sentence);
  });
}

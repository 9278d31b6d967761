/**
 * `deno task test`: everything that this machine can run, one stage after the
 * other, with one count at the end. What a stage must skip it says aloud
 * ("SKIPPED …"), and the count has it.
 *
 * @module
 */

import { COMPILER, installMissing, missingPackages } from "./lab/needs.ts";
import {
  IMAGE_NEEDS,
  KUBE_NEEDS,
  LAB_TEST_NEEDS,
  PACK_NEEDS,
  SYSTEMD_NEEDS,
  UNIT_NEEDS,
} from "./needs.ts";
import { buildBoringtun } from "./support/boringtun.ts";
import { untilInterrupted } from "./support/interrupted.ts";
import { eachLine } from "./support/lines.ts";
import { type Need, needsText } from "./support/packages.ts";
import { tempDir } from "./support/temp_dir.ts";
import { guestNeeds } from "./vm/host.ts";

const HELP = `Runs all tests that this machine can run.

Usage: deno task test [--no-install] [--only STAGE]

  --no-install   List the Debian packages that are missing, and stop
  --only STAGE   One stage alone: ok, lab, pack, systemd, kube or vm (may
                 be repeated)
  --help         Print this text
`;

interface Stage {
  readonly name: string;
  readonly what: string;
  readonly task: string;
  readonly needs: readonly Need[];
}

const STAGES: readonly Stage[] = [
  {
    name: "ok",
    what: "format, lint, types, layers, unit tests, examples in the docs",
    task: "ok",
    needs: [COMPILER, ...UNIT_NEEDS],
  },
  {
    name: "lab",
    what: "namespaces, wireguard-go, the real CNI plugins",
    task: "test:lab",
    needs: LAB_TEST_NEEDS,
  },
  {
    name: "pack",
    what: "executables, package and image: built, started, upgraded",
    task: "test:pack",
    needs: [COMPILER, ...PACK_NEEDS],
  },
  {
    name: "systemd",
    what: "units, install and package under a real systemd",
    task: "test:systemd",
    needs: [COMPILER, ...PACK_NEEDS, ...SYSTEMD_NEEDS],
  },
  {
    name: "kube",
    what: "a real Kubernetes cluster: control plane, kubelets, containerd",
    task: "test:kube",
    needs: [COMPILER, ...IMAGE_NEEDS, ...KUBE_NEEDS],
  },
  {
    name: "vm",
    what: "a stock Debian kernel under QEMU",
    task: "test:vm",
    needs: [COMPILER, ...IMAGE_NEEDS, ...guestNeeds()],
  },
];

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

async function main(args: readonly string[]): Promise<number> {
  const only = new Set<string>();
  let install = true;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    const name = args[at + 1] ?? "";
    if (arg === "--help") return say(HELP);
    if (arg === "--no-install") install = false;
    else if (arg === "--only" && STAGES.some((stage) => stage.name === name)) {
      only.add(name);
      at++;
    } else {
      console.error(`test: cannot use "${arg} ${name}".\n\n${HELP}`);
      return 2;
    }
  }
  const stages = STAGES.filter((stage) =>
    only.size === 0 || only.has(stage.name)
  );
  if (!install) return await listMissing(stages);
  return await untilInterrupted("test", async (signal) => {
    await installMissing({ say: console.log, signal }, needsOf(stages));
    if (stages.some(({ name }) => name === "lab")) {
      await buildBoringtun(console.log, signal);
    }
    await using temporary = await tempDir();
    return await runAll(stages, { signal, temporary: temporary.path });
  });
}

function say(text: string): number {
  console.log(text.trimEnd());
  return 0;
}

/** Of these stages; the lab has needs of its own. */
function needsOf(stages: readonly Stage[]): {
  readonly lab: boolean;
  readonly needs: readonly Need[];
} {
  return {
    // The machines under systemd and of the cluster are nodes of labs.
    lab: stages.some(({ name }) => ["lab", "systemd", "kube"].includes(name)),
    needs: stages.flatMap((stage) => stage.needs),
  };
}

async function listMissing(stages: readonly Stage[]): Promise<number> {
  const missing = await missingPackages(needsOf(stages));
  if (missing.length === 0) return say("Nothing is missing.");
  say(`These Debian packages are missing:\n${needsText(missing)}`);
  return 1;
}

interface Run {
  /** Ends the stage that runs. */
  readonly signal: AbortSignal;
  /** Takes all temporary files: tests that are interrupted leave some. */
  readonly temporary: string;
}

async function runAll(stages: readonly Stage[], run: Run): Promise<number> {
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const skipped: string[] = [];
  const rows: string[] = [];
  for (const stage of stages) {
    console.log(`\n=== ${stage.name}: ${stage.what}`);
    const started = performance.now();
    const { count, skips } = await runStage(stage, run);
    run.signal.throwIfAborted();
    const seconds = Math.round((performance.now() - started) / 1_000);
    rows.push(
      `${stage.name.padEnd(7)} ${countText(count)}, ${seconds} s`,
    );
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
    skipped.push(...skips);
  }
  console.log(`\n${rows.join("\n")}`);
  for (const line of skipped) console.log(line);
  console.log(countText(total));
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

function countText(count: Count): string {
  const skipped = count.skipped === 0 ? "" : `, ${count.skipped} skipped`;
  return `${count.passed} passed, ${count.failed} failed${skipped}`;
}

async function runStage(
  stage: Stage,
  { signal, temporary }: Run,
): Promise<{ readonly count: Count; readonly skips: readonly string[] }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", stage.task],
    env: { NO_COLOR: "1", TMPDIR: temporary },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const end = (): void => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
  };
  signal.addEventListener("abort", end);
  const count: Count = { passed: 0, failed: 0, skipped: 0 };
  const skips: string[] = [];
  await eachLine(child.stdout, (line) => {
    console.log(line);
    addSummary(count, line);
    if (line.includes("SKIPPED ")) skips.push(line.trim());
  });
  const { code } = await child.status;
  signal.removeEventListener("abort", end);
  // A stage that fails outside its tests (a type error, say) is a failure too.
  if (code !== 0 && count.failed === 0) count.failed++;
  return { count, skips };
}

/** `deno test` closes with "ok | 17 passed | 0 failed | 2 ignored (3s)". */
function addSummary(count: Count, line: string): void {
  const match =
    /\b(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/
      .exec(line);
  if (match === null) return;
  count.passed += Number(match[1]);
  count.failed += Number(match[2]);
  count.skipped += Number(match[3] ?? 0);
}

if (import.meta.main) Deno.exit(await main(Deno.args));

/**
 * What the executable of `deno task build` costs, beside plain `deno run` of the
 * same bundle with the same flags: size, start, memory. Each target is asserted:
 * the exit code is 1, with one sentence, where one is missed.
 *
 *     deno task bench:start [--rounds N]
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BigCluster, pause } from "../lab/big_cluster.ts";
import { SHELL } from "../lab/exec.ts";
import { EXECUTABLE, plainCommand } from "../support/bundled.ts";
import { memoryCgroup } from "../support/memory_cgroup.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const MARK = "CLUSTERNET_BENCH_NAMESPACE";

const FILE_BYTES = 36e6;
const FIRST_START_MS = 1_000;
const LATER_START_MS = 15;
const PRIVATE_RATIO = 1.05;
const CGROUP_BYTES = 64 * 1024 * 1024;

/** Milliseconds after which what came before has been worked off. */
const SETTLE_MS = 3_000;

interface Target {
  readonly what: string;
  readonly bundled: string;
  readonly plain: string;
  readonly target: string;
  readonly met: boolean;
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: "string", default: "5" } },
  });
  const needs = {
    root: true,
    commands: ["wireguard-go", "ip", "unshare", "nsenter", "setpriv"],
    files: ["/dev/net/tun", EXECUTABLE],
  };
  if (skipped("bench:start", needs)) return 1;
  if (Deno.env.get(MARK) !== "1") return await inOwnNamespace(args);
  const rounds = Number(values.rounds);
  await using dir = await tempDir();
  const targets = [
    size(),
    await firstStart(dir.path, rounds),
    await laterStart(dir.path, rounds * 6),
    ...await agents(dir.path, rounds),
    await limited(dir.path),
  ];
  print(targets);
  const [load = 0] = Deno.loadavg();
  if (load > navigator.hardwareConcurrency) {
    console.log(
      `The machine is busy with other things, which costs time: load ${
        load.toFixed(1)
      }`,
    );
  }
  const missed = targets.filter(({ met }) => !met);
  if (missed.length === 0) return 0;
  console.error(
    `Missed: ${
      missed.map(({ what, bundled, target }) =>
        `${what} is ${bundled}, not ${target}`
      ).join("; ")
    }`,
  );
  return 1;
}

async function inOwnNamespace(args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command("unshare", {
    args: [
      ...["--net", "--", Deno.execPath(), "run", "--allow-all", "--no-check"],
      ...["--quiet", fileURLToPath(import.meta.url), ...args],
    ],
    env: { [MARK]: "1" },
  }).spawn().status;
  return code;
}

function size(): Target {
  const bytes = Deno.statSync(EXECUTABLE).size;
  return {
    what: "size of the file",
    bundled: megabytes(bytes),
    plain: "",
    target: `≤ ${megabytes(FILE_BYTES)}`,
    met: bytes <= FILE_BYTES,
  };
}

async function firstStart(folder: string, rounds: number): Promise<Target> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const runtime = join(folder, `first-${round}`);
    times.push(await timeOf(bundled(runtime)));
    await Deno.remove(runtime, { recursive: true });
  }
  return {
    what: "first start",
    bundled: milliseconds(median(times)),
    plain: "",
    target: `≤ ${milliseconds(FIRST_START_MS)}`,
    met: median(times) <= FIRST_START_MS,
  };
}

/** In turns, so that whatever else the machine does is in both. */
async function laterStart(folder: string, rounds: number): Promise<Target> {
  const commands = [bundled(join(folder, "later")), plainCommand()] as const;
  const times: readonly [number[], number[]] = [[], []];
  for (let round = -1; round < rounds; round++) {
    const ours = await timeOf(commands[0]);
    const plain = await timeOf(commands[1]);
    if (round < 0) continue;
    times[0].push(ours);
    times[1].push(plain);
  }
  const [ours, plain] = [median(times[0]), median(times[1])];
  return {
    what: "later start",
    bundled: milliseconds(ours),
    plain: milliseconds(plain),
    target: `≤ ${LATER_START_MS} ms more`,
    met: ours - plain <= LATER_START_MS,
  };
}

/** Of real agents in a cluster of three Nodes. */
async function agents(
  folder: string,
  rounds: number,
): Promise<readonly Target[]> {
  const kinds = [bundled(join(folder, "later")), plainCommand()] as const;
  const memory: readonly [number[], number[]] = [[], []];
  const ready: readonly [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const at of [0, 1] as const) {
      await using cluster = await BigCluster.start({
        nodes: 3,
        agent: kinds[at],
      });
      ready[at].push(await cluster.startAgent());
      await pause(SETTLE_MS);
      memory[at].push(cluster.figures().anonymousBytes);
    }
  }
  const [ours, plain] = [median(memory[0]), median(memory[1])];
  return [{
    what: "run, until ready",
    bundled: milliseconds(median(ready[0])),
    plain: milliseconds(median(ready[1])),
    target: "",
    met: true,
  }, {
    what: "run, private memory",
    bundled: megabytes(ours),
    plain: megabytes(plain),
    target: `≤ ${((PRIVATE_RATIO - 1) * 100).toFixed(0)} % more`,
    met: ours <= plain * PRIVATE_RATIO,
  }];
}

/** With the unpacking in it, and everything that the kernel counts for it. */
async function limited(folder: string): Promise<Target> {
  const target = {
    what: "run, within 64 MiB",
    plain: "",
    target: "lives",
  };
  using group = memoryCgroup("clusternet-bench", CGROUP_BYTES);
  if (group === undefined) {
    console.log("SKIPPED the limit of memory: needs a control group of memory");
    return { ...target, bundled: "not tried", met: true };
  }
  const enter = ["-c", `echo $$ > ${group.procs} && exec "$@"`, "sh"];
  const command = bundled(join(folder, "limited"));
  await using cluster = await BigCluster.start({
    nodes: 3,
    agent: [SHELL, ...enter, ...command],
  });
  try {
    await cluster.startAgent();
    await pause(SETTLE_MS);
    const { residentBytes } = cluster.figures();
    const said = `${megabytes(residentBytes)} resident`;
    const met = group.kills() === 0;
    return { ...target, bundled: met ? said : "killed", met };
  } catch {
    return { ...target, bundled: "killed", met: false };
  } finally {
    await cluster.stopAgent();
  }
}

function bundled(runtime: string): readonly string[] {
  return [EXECUTABLE, "--runtime-dir", runtime];
}

async function timeOf(command: readonly string[]): Promise<number> {
  const [name = "", ...args] = command;
  const begin = performance.now();
  const { code } = await new Deno.Command(name, {
    args: [...args, "version"],
    stdout: "null",
  }).output();
  if (code !== 0) throw new Error(`Cannot measure ${name}: exit code ${code}`);
  return performance.now() - begin;
}

function print(targets: readonly Target[]): void {
  const rows = [
    ["", "clusternet", "deno run", "target", ""],
    ...targets.map(({ what, bundled, plain, target, met }) => [
      ...[what, bundled, plain, target],
      met ? "" : "MISSED",
    ]),
  ];
  for (const [what = "", ...cells] of rows) {
    const [ours = "", plain = "", target = "", missed = ""] = cells;
    console.log(
      `${what.padEnd(22)}${ours.padStart(16)}${
        plain.padStart(12)
      }  ${target} ${missed}`
        .trimEnd(),
    );
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function milliseconds(value: number): string {
  return `${value.toFixed(0)} ms`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  addPods,
  assertProof,
  bringUp,
  cannotRun,
  eventually,
  labTest,
  patience,
  pause,
  SLOW,
  startCapture,
} from "./harness.ts";
import { Child, run } from "./exec.ts";
import { type Lab, LAB_MARK } from "./lab.ts";
import { chooseCells, isGood, measure } from "./matrix.ts";
import { matrixText } from "./matrix_text.ts";
import { makePaint } from "./paint.ts";
import type { Family } from "./plan.ts";

const VARIANTS: readonly {
  readonly name: string;
  readonly underlay: readonly Family[];
  readonly pods: readonly Family[];
  /** Bytes: 1500 less 60, or 80 where an endpoint is IPv6. */
  readonly mtu: number;
}[] = [
  { name: "IPv4", underlay: [4], pods: [4], mtu: 1440 },
  { name: "dual stack", underlay: [4, 6], pods: [4, 6], mtu: 1440 },
  { name: "IPv6 alone", underlay: [6], pods: [6], mtu: 1420 },
  { name: "dual stack over IPv6", underlay: [6], pods: [4, 6], mtu: 1420 },
  { name: "IPv6 over IPv4", underlay: [4], pods: [6], mtu: 1440 },
];

for (const { name, underlay, pods, mtu } of VARIANTS) {
  labTest(`every pod reaches every pod, encrypted: ${name}`, {
    underlay,
    pods,
  }, async (lab) => {
    const capture = await startCapture(lab);
    await bringUp(lab);
    await addPods(lab, 2);
    await addressesSettled(lab);
    const { cells, all } = chooseCells(lab.nodes, lab.settings.plan.seed);
    assert.equal(cells.length, all);
    assert.equal(cells.length, 42 * pods.length);
    const results = await measure(cells);
    const text = matrixText(results, { all, paint: makePaint(false) });
    assert.ok(results.every(isGood), text);
    assert.deepEqual([...new Set(results.map((each) => each.mtu))], [mtu]);
    await assertProof(capture);
    for (const node of lab.nodes) {
      for (const pod of [...node.pods]) await node.removePod(pod);
    }
  });
}

/** Pings meet no duplicate address detection that is still under way. */
async function addressesSettled(lab: Lab): Promise<void> {
  for (const node of lab.nodes) {
    await eventually("duplicate address detection is over", async () => {
      const said = await node.space.must([
        "ip",
        "-6",
        "address",
        "show",
        "tentative",
      ]);
      return said.trim() === "" ? true : undefined;
    }, patience(10_000));
  }
}

const DEMO = [
  Deno.execPath(),
  ...["run", "-A", "--no-check", "--quiet"],
  fileURLToPath(new URL("demo.ts", import.meta.url)),
];

Deno.test({
  name: "the demo ends well within a minute, and says so",
  ignore: cannotRun("the demo ends well within a minute, and says so"),
  fn: async () => {
    const begin = performance.now();
    const { code, stdout, stderr } = await run([...DEMO, "--seed", "7"]);
    const seconds = (performance.now() - begin) / 1000;
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /3 nodes, seed 7/);
    assert.match(stdout, /pod, other node +24\/24 .* 24\/24/);
    assert.match(stdout, /; 0 with a pod address \(0 dropped by the kernel\)/);
    assert.match(stdout, /nothing in clear; nothing left behind/);
    assert.ok(!stdout.includes("\u001b"), "colour, without a terminal");
    assert.ok(
      stdout.split("\n").every((line) => line.length <= 88),
      "lines too wide for a terminal",
    );
    if (!SLOW) assert.ok(seconds < 60, `${seconds} s`);
  },
});

const ENDS: readonly {
  readonly signal: Deno.Signal;
  readonly code: number;
  readonly after: RegExp;
}[] = [
  { signal: "SIGINT", code: 130, after: /agents starting/ },
  { signal: "SIGTERM", code: 130, after: /has its key/ },
  { signal: "SIGINT", code: 0, after: /Ctrl-C ends it/ },
  { signal: "SIGKILL", code: 128 - 137, after: /Ctrl-C ends it/ },
];

for (const { signal, code, after } of ENDS) {
  const name = `${signal} after "${after.source}" leaves nothing of the demo`;
  Deno.test({
    name,
    ignore: cannotRun(name),
    fn: async () => {
      const demo = new Child("demo", [...DEMO, "--keep"]);
      await demo.line(after, { withinMs: patience(60_000) });
      const pids = marked(demo.pid);
      assert.ok(pids.length >= 4, `${pids.length} processes`);
      const ended = await demo.stop(signal, patience(20_000));
      assert.equal(ended, code, demo.lines.join("\n"));
      // The kernel takes a moment to end what hangs on the demo.
      await eventually("every process has ended", () => {
        const left = pids.filter((pid) => isRunning(pid));
        return Promise.resolve(left.length === 0 ? true : undefined);
      }, patience(3_000));
    },
  });
}

/** Processes of a lab that this demo started. */
function marked(parent: number): readonly number[] {
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((pid) =>
      Number.isInteger(pid) &&
      readText(`/proc/${pid}/environ`).includes(`${LAB_MARK}=lab-${parent}-`)
    );
}

function isRunning(pid: number): boolean {
  return readText(`/proc/${pid}/environ`).includes(LAB_MARK);
}

function readText(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    return "";
  }
}

Deno.test({
  name: "the demo refuses bad input in one sentence",
  ignore: cannotRun("the demo refuses bad input in one sentence"),
  fn: async () => {
    for (const args of [["--nodes", "1"], ["--colour"], ["three"]]) {
      const { code, stdout, stderr } = await run([...DEMO, ...args]);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.match(stderr, /^demo: [^\n]+\n$/, args.join(" "));
    }
    const nobody = ["setpriv", "--reuid=65534", "--clear-groups", "--"];
    const { stderr } = await run([...nobody, ...DEMO]);
    // Where nobody may start Deno or read this tree (below /root, say), there is nothing to see.
    if (!stderr.includes("Permission denied")) {
      assert.match(stderr, /^demo: [^\n]+root\n$/);
    }
    await pause(0);
  },
});

/**
 * Tests with a lab: what they need, how they begin, and that they leave nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { findCommand } from "../support/packages.ts";
import { skipped } from "../support/skip.ts";
import { Capture, captureText, isProof } from "./capture.ts";
import { CNI_PLUGIN_DIRS, PLUGINS } from "./cni.ts";
import { converged, NotConverged } from "./convergence.ts";
import { inTurns, run, SHELL } from "./exec.ts";
import { API_PORT, AT_ONCE, Lab, type LabOptions } from "./lab.ts";
import { labNamespaces, leftovers, lookAround } from "./leaks.ts";
import type { Pod } from "./node.ts";
import { familyOf } from "./plan.ts";
import { Probe, probeText } from "./probe.ts";
import { parsePrefix } from "../../mod/core/address.ts";
import { findWireguardGo } from "./wireguard.ts";

const COMMANDS = [
  "ip",
  "nsenter",
  "unshare",
  "setpriv",
  "wg",
  "ping",
  "tcpdump",
];

/** As everywhere in the tests of a lab, so that a failure can be looked at again. */
export const SEED = 1;

/** Registers a test that gets a lab without nodes, and afterwards checks that nothing of it is left. */
export function labTest(
  name: string,
  options: Partial<LabOptions>,
  body: (lab: Lab) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: cannotRun(name),
    fn: async () => {
      const before = await lookAround();
      const lab = await Lab.start({ nodes: 3, seed: SEED, ...options });
      let namespaces: readonly string[];
      try {
        await lab.startApi();
        await body(lab);
      } catch (error) {
        tellLogs(lab);
        throw error;
      } finally {
        namespaces = labNamespaces(lab);
        await lab.end();
      }
      assert.deepEqual(
        await leftovers(lab.run, { before, namespaces }),
        [],
        "left behind",
      );
    },
  });
}

/** Says aloud what is missing. */
export function cannotRun(name: string): boolean {
  const needs = { root: true, commands: COMMANDS };
  if (skipped(name, needs)) return true;
  const dir = CNI_PLUGIN_DIRS.find((each) => isThere(`${each}/ptp`));
  const files = PLUGINS.map((plugin) =>
    `${dir ?? CNI_PLUGIN_DIRS[0]}/${plugin}`
  );
  if (skipped(name, { files })) return true;
  if (KERNEL_HAS_WIREGUARD || findWireguardGo() !== undefined) return false;
  console.log(
    `SKIPPED ${name}: needs a kernel with WireGuard, or wireguard-go`,
  );
  return true;
}

function isThere(file: string): boolean {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    return false;
  }
}

const KERNEL_HAS_WIREGUARD = findCommand("unshare") !== undefined &&
  Deno.uid() === 0 &&
  (await run([
      ...["unshare", "--net", "--", SHELL, "-c"],
      "ip link add probe type wireguard",
    ])).code === 0;

/** An agent that ends within a second is what ends with SIGKILL otherwise: far from that. */
export const SLOW = Deno.env.get("CLUSTERNET_GUEST") !== undefined ||
  await isSlow();

/** Where the processor is emulated everything takes many times longer. */
async function isSlow(): Promise<boolean> {
  const begin = performance.now();
  await run(["true"]);
  return performance.now() - begin > 30;
}

/** Milliseconds for something that takes so many on real hardware. */
export function patience(milliseconds: number): number {
  return milliseconds * (SLOW ? 10 : 1);
}

/** Boots and registers all nodes, starts their agents and waits until they have each other. */
export async function bringUp(
  lab: Lab,
  flags: readonly string[] = [],
): Promise<void> {
  await lab.boot();
  await lab.register();
  await lab.assignPodCidrs();
  for (const node of lab.nodes) node.startAgent(flags);
  await settled(lab);
}

/** Waits until every node has all others, and says so on its Node. */
export async function settled(lab: Lab): Promise<void> {
  try {
    await converged(lab, { withinMs: patience(30_000) });
    for (const { name } of lab.nodes.filter(({ agent }) => agent?.running)) {
      await eventually(`${name} says that its network is up`, async () => {
        const condition = await lab.api.networkCondition(name);
        return condition?.reason === "ClusternetIsUp" ? true : undefined;
      }, patience(10_000));
    }
  } catch (error) {
    if (!(error instanceof NotConverged)) throw error;
    const lines = error.node.agent?.lines.slice(-20) ?? [];
    throw new Error(`${error.message}\n${lines.join("\n")}`, { cause: error });
  }
}

/** `count` pods on each node, "n1-a" and so on. */
export async function addPods(lab: Lab, count: number): Promise<void> {
  await inTurns(lab.nodes, async (node) => {
    for (const letter of "abcdef".slice(0, count)) {
      await node.addPod(`${node.name}-${letter}`);
    }
  }, AT_ONCE);
}

export async function startCapture(lab: Lab): Promise<Capture> {
  return await Capture.start(lab.underlay, {
    clusterCidrs: lab.settings.plan.clusterCidrs.map(parsePrefix),
    apiPort: API_PORT,
  });
}

/** Fails unless tunnels were seen, nothing in clear, and nothing was missed. */
export async function assertProof(capture: Capture): Promise<void> {
  const report = await capture.stop();
  assert.ok(isProof(report), captureText(report));
}

/** Sends packets from pod to pod while something is done; fails if one is lost. */
export async function losesNothing(
  lab: Lab,
  deed: () => Promise<void>,
): Promise<void> {
  await losesNothingOn(lab, [twoPods(lab)], deed);
}

/** As `losesNothing()`; and nothing of the pods was seen outside the tunnels. */
export async function losesNothingAndHides(
  lab: Lab,
  deed: () => Promise<void>,
): Promise<void> {
  const capture = await startCapture(lab);
  await losesNothing(lab, deed);
  await assertProof(capture);
}

/** As `losesNothing()`, and from the second pod to the first too. */
export async function losesNothingBothWays(
  lab: Lab,
  deed: () => Promise<void>,
): Promise<void> {
  const { from, to } = twoPods(lab);
  await losesNothingOn(lab, [{ from, to }, { from: to, to: from }], deed);
}

async function losesNothingOn(
  lab: Lab,
  ways: readonly { readonly from: Pod; readonly to: Pod }[],
  deed: () => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const probes: Probe[] = [];
  for (const { from, to } of ways) {
    const address = to.addresses.find((each) => familyOf(each) === 4) ??
      to.addresses[0] ?? "";
    const probe = await Probe.start({
      from: (command) => from.node.space.command(command, from.name),
      to: (command) => to.node.space.command(command, to.name),
      address,
      rate: probeRate(lab) / ways.length,
      env: from.node.settings.env,
    });
    probes.push(stack.use(probe));
  }
  await deed();
  for (const report of await Promise.all(probes.map((each) => each.stop()))) {
    assert.equal(report.lost, 0, probeText(report));
  }
}

/**
 * Packets a second. A userspace WireGuard that waits for a processor for 300 ms
 * has its socket full of a thousand a second: that is the machine, not the agent.
 */
function probeRate(lab: Lab): number {
  if (SLOW) return 200;
  return lab.settings.wireguard.backend === "kernel" ? 1000 : 250;
}

/**
 * Resolves with the first answer that is not `undefined`. Whoever looks mostly starts programs:
 * where that is slow, they are not to take the processor from what is waited for.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  withinMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  while (true) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      throw new Error(`Cannot see that ${what}: not within ${withinMs} ms`);
    }
    await pause(SLOW ? 250 : 20);
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The first two pods of different nodes. */
export function twoPods(lab: Lab): { readonly from: Pod; readonly to: Pod } {
  const [from, to] = lab.nodes.map((node) => node.pods[0]);
  assert.ok(from !== undefined && to !== undefined, "no pods");
  return { from, to };
}

function tellLogs(lab: Lab): void {
  for (const node of lab.nodes) {
    const lines = node.agent?.lines.slice(-12) ?? [];
    if (lines.length > 0) {
      console.log(`--- agent of ${node.name}\n${lines.join("\n")}`);
    }
  }
}

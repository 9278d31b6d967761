/**
 * What a DaemonSet's rollout does to the nodes, over the kernel's WireGuard: the image runs with
 * the rights of `deploy/`, and on one node after the other the old container ends before the new
 * one is there.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  addPods,
  eventually,
  losesNothingAndHides,
  patience,
  settled,
} from "../lab/harness.ts";
import { sentences } from "../lab/look.ts";
import type { LabNode } from "../lab/node.ts";
import { agentPid, type Container } from "../pack/container.ts";
import {
  assertConfined,
  assertPings,
  byRunc,
  imageTest,
  inSync,
  type Scene,
} from "../pack/image_scene.ts";
import { agentPod, withRoom } from "../pack/pod.ts";
import { runcExec } from "../pack/runc.ts";
import { orderOf } from "./guest_lab.ts";
import { guestTest, IN_GUEST, sh, sleep } from "./in_guest.ts";
import { begunAnew, tunnelOf } from "./tunnels.ts";

/** In the guest only. */
function guestImageTest(
  name: string,
  body: (scene: Scene) => Promise<void>,
): void {
  if (!IN_GUEST) return guestTest(name, () => Promise.resolve());
  imageTest(name, async (scene) => {
    assert.equal(scene.lab.settings.wireguard.backend, "kernel");
    await body(scene);
  }, ["runc", "openssl"]);
}

guestImageTest(
  "pods with CAP_NET_ADMIN alone are rolled out without a packet lost, in clear or in a new session",
  async (scene) => {
    const { lab } = scene;
    await using agents = new Agents(scene);
    await unloadWireGuard();
    await agents.saysThatModulesAreMissing();
    await Promise.all(lab.nodes.map((node) => agents.start(node)));
    assert.ok(await isLoaded(), "the kernel has loaded it by itself");
    await settled(lab);
    for (const container of agents.running.values()) {
      await assertConfined(container);
    }
    await addPods(lab, 1);
    await assertPings(lab);
    await agents.isWell();
    await losesNothingAndHides(lab, async () => {
      for (const [name, signal] of ENDS) {
        const node = lab.node(name);
        await keepsAll(lab.nodes, () => agents.replace(node, signal));
      }
    });
    await seesWhatBeginsAnew(scene.first);
  },
);

/** Those that the kernel's own WireGuard may lead astray. */
const KERNEL_CHECKS = [
  ...["link-missing", "port-in-use", "listen-port", "pod-mtu"],
  ...["route-foreign", "rule-overrides", "peer-silent", "mtu-black-hole"],
];

/** A packet's way begins at the first and ends at the second. */
const ENDS = [["n1", "SIGTERM"], ["n2", "SIGKILL"]] as const;

/** One container of the image on each node. */
class Agents implements AsyncDisposable {
  readonly running = new Map<LabNode, Container>();
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async start(node: LabNode): Promise<void> {
    const pod = withRoom(agentPod(node));
    const container = byRunc(this.#scene, node).run(pod);
    this.running.set(node, container);
    await inSync(container);
  }

  /** As a rollout has it where one pod may be unavailable: first there is none, then the new one. */
  async replace(
    node: LabNode,
    signal: "SIGTERM" | "SIGKILL",
  ): Promise<void> {
    const old = this.running.get(node);
    assert.ok(old !== undefined);
    this.running.delete(node);
    Deno.kill(await agentPid(old.pod), signal);
    const code = await old.child.ended;
    assert.equal(
      code,
      signal === "SIGTERM" ? 0 : 137,
      old.child.lines.at(-1) ?? "",
    );
    await old[Symbol.asyncDispose]();
    await sleep(500);
    await this.start(node);
  }

  /** As doctor says in the first: the port is held by the kernel itself, and large packets come through. */
  async isWell(): Promise<void> {
    const [container] = this.running.values();
    assert.ok(container !== undefined);
    const command = ["/usr/bin/clusternet", "doctor", "--only"];
    const { stdout } = await runcExec(
      container,
      [...command, KERNEL_CHECKS.join(",")],
      this.#scene.folder,
    );
    assert.equal(stdout, `Nothing found by ${KERNEL_CHECKS.length} checks.\n`);
  }

  /** A host that loads no modules: the agent cannot either, which is as it should be. */
  async saysThatModulesAreMissing(): Promise<void> {
    const [node] = this.#scene.lab.nodes;
    assert.ok(node !== undefined);
    const usual = await Deno.readTextFile(MODPROBE);
    await Deno.writeTextFile(MODPROBE, "/bin/false");
    try {
      await using container = byRunc(this.#scene, node).run(agentPod(node));
      assert.equal(await container.child.ended, 1);
      const [said = "", ...more] = sentences(container.child.lines.join("\n"));
      assert.match(said, /^clusternet: This kernel has no WireGuard\b/);
      assert.match(said, /modprobe wireguard/);
      assert.deepEqual(more, []);
    } finally {
      await Deno.writeTextFile(MODPROBE, usual);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.running.values()) {
      await container[Symbol.asyncDispose]();
    }
  }
}

/** The program by which the kernel loads what it lacks; proc_sys_kernel(5). */
const MODPROBE = "/proc/sys/kernel/modprobe";

async function unloadWireGuard(): Promise<void> {
  // The kernel takes its time to bury the links of earlier tests.
  await eventually("WireGuard is not loaded", async () => {
    await sh("rmmod wireguard").catch(() => {});
    return await isLoaded() ? undefined : true;
  }, patience(3_000));
}

async function isLoaded(): Promise<boolean> {
  return await Deno.stat("/sys/module/wireguard").then(() => true, () => false);
}

/** Links, sessions, peers, routes and rules are the same after the deed as before. */
async function keepsAll(
  nodes: readonly LabNode[],
  deed: () => Promise<void>,
): Promise<void> {
  const before = await Promise.all(nodes.map(async (node) => ({
    node,
    tunnel: await tunnelOf(node),
    order: await orderOf(node),
  })));
  await deed();
  for (const { node, tunnel, order } of before) {
    assert.deepEqual(begunAnew(tunnel, await tunnelOf(node)), [], node.name);
    assert.equal(await orderOf(node), order, node.name);
  }
}

/** The control: had an agent made its link anew, the test would have seen it. */
async function seesWhatBeginsAnew(node: LabNode): Promise<void> {
  const before = await tunnelOf(node);
  await node.space.must(["ip", "link", "del", "clusternet"]);
  const after = await eventually("the agent has made a new link", async () => {
    const tunnel = await tunnelOf(node).catch(() => undefined);
    return tunnel?.sessions.size === before.sessions.size ? tunnel : undefined;
  }, patience(10_000));
  const found = begunAnew(before, after).join("; ");
  assert.match(found, /the link: number \d+/);
  assert.match(found, /its counters/);
}

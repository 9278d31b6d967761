/**
 * The image as it runs on a node, by runc and by containerd: as the DaemonSet
 * would have it, on the nodes of a lab, against an API server with TLS and
 * tokens.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  addPods,
  eventually,
  losesNothing,
  patience,
  pause,
  settled,
} from "../lab/harness.ts";
import { dataPlane, sentences } from "../lab/look.ts";
import type { LabNode } from "../lab/node.ts";
import { listing } from "./built_image.ts";
import type { Container } from "./container.ts";
import {
  assertConfined,
  assertPings,
  byContainerd,
  byRunc,
  imageTest,
  inSync,
  other,
} from "./image_scene.ts";
import { agentPod, type Pod, PROC_SYS_NET, withoutMount } from "./pod.ts";

async function assertForwarding(node: LabNode): Promise<void> {
  for (const name of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]) {
    const file = `/proc/sys/net/${name}`;
    assert.equal(await node.space.must(["cat", file]), "1\n", name);
  }
}

/** SIGTERM, and how it goes. */
async function assertStops(container: Container): Promise<void> {
  const begin = performance.now();
  assert.equal(await container.stop(), 0);
  const took = performance.now() - begin;
  assert.ok(took < patience(1000), `${took} ms`);
}

imageTest(
  "runc: the image connects pods with CAP_NET_ADMIN alone and writes nothing to its root",
  async (scene) => {
    const { lab, first, image } = scene;
    const before = await listing(image.rootfs);
    await using one = byRunc(scene, first).run(agentPod(first));
    // This one could write, and the look at the root below would find it.
    await using two = byRunc(scene, other(scene), false)
      .run(agentPod(other(scene)));
    await Promise.all([inSync(one), inSync(two)]);
    await settled(lab);
    await assertConfined(one);
    await assertForwarding(first);
    await addPods(lab, 1);
    await assertPings(lab);
    const plane = await dataPlane(first);
    await assertStops(one);
    await two.stop();
    assert.equal(await dataPlane(first), plane, "the data plane stays");
    assert.deepEqual(await listing(image.rootfs), before);
  },
);

imageTest(
  "containerd: the image connects pods with CAP_NET_ADMIN alone and writes nothing to its layer",
  async (scene) => {
    const { lab, first, image } = scene;
    await using containerd = await byContainerd(scene, first);
    await using one = containerd.run(agentPod(first));
    await using two = byRunc(scene, other(scene)).run(agentPod(other(scene)));
    await Promise.all([inSync(one), inSync(two)]);
    await settled(lab);
    await assertConfined(one);
    await assertForwarding(first);
    await addPods(lab, 1);
    await assertPings(lab);
    assert.deepEqual(
      await contents(containerd.snapshots),
      await contents(image.rootfs),
      "the container's own layer is the image",
    );
    await assertStops(one);
  },
);

/** Names and sizes; of a folder of snapshots, those of the newest. */
async function contents(folder: string): Promise<readonly string[]> {
  const newest = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b))
    .at(-1);
  const root = newest === undefined ? folder : `${folder}/${newest}`;
  return (await listing(root)).map((line) => {
    const [kind, mode, owner, size, , , name] = line.split(" ");
    return [kind, mode, owner, kind === "d" ? "" : size, name].join(" ");
  }).sort();
}

for (const engine of ["runc", "containerd"] as const) {
  imageTest(
    `${engine}: a new container in the place of the old one loses no packet`,
    async (scene) => {
      const { lab, first } = scene;
      await using containerd = engine === "containerd"
        ? await byContainerd(scene, first)
        : undefined;
      const engineOfFirst = containerd ?? byRunc(scene, first);
      await using two = byRunc(scene, other(scene)).run(agentPod(other(scene)));
      {
        await using one = engineOfFirst.run(agentPod(first));
        await Promise.all([inSync(one), inSync(two)]);
        await settled(lab);
        await addPods(lab, 1);
        // Of two handshakes that cross, as both ends begin, none counts for five seconds.
        await assertPings(lab);
        await one.stop();
      }
      const plane = await dataPlane(first);
      await losesNothing(lab, async () => {
        for (let round = 0; round < 2; round++) {
          await using one = engineOfFirst.run(agentPod(first));
          await inSync(one);
          await one.stop();
        }
        await pause(300);
      });
      assert.equal(await dataPlane(first), plane);
    },
  );
}

const REFUSALS: readonly {
  readonly what: string;
  readonly pod: (pod: Pod) => Pod;
  readonly sentence: RegExp;
}[] = [
  {
    what: "without CAP_NET_ADMIN",
    pod: (pod) => ({ ...pod, capabilities: [] }),
    sentence:
      /^clusternet: Cannot change links and routes: Operation not permitted; run as root, or with CAP_NET_ADMIN$/,
  },
  {
    what: "without the node's state directory",
    pod: (pod) => withoutMount(pod, "/var/lib/clusternet"),
    sentence: /^clusternet: Cannot .*\/var\/lib\/clusternet.*Read-only/,
  },
  {
    what: "without the node's lock directory",
    pod: (pod) => withoutMount(pod, "/run/clusternet"),
    sentence: /^clusternet: Cannot .*\/run\/clusternet.*Read-only/,
  },
  {
    what: "without the network's settings",
    pod: (pod) => withoutMount(pod, PROC_SYS_NET),
    sentence:
      /^clusternet: Cannot find the network's settings in \/host\/proc\/sys\/net: No such file or directory; mount the host's/,
  },
];

imageTest(
  "the image says in one sentence what its pod lacks",
  async (scene) => {
    const { first } = scene;
    for (const { what, pod, sentence } of REFUSALS) {
      await using container = byRunc(scene, first).run(pod(agentPod(first)));
      const code = await container.child.ended;
      const [said = "", ...more] = sentences(container.child.lines.join("\n"));
      assert.match(said, sentence, what);
      assert.deepEqual(more, [], what);
      assert.equal(code, 1, what);
    }
  },
);

imageTest(
  "what a pod cannot write is named, and all else goes on",
  async (scene) => {
    const { first } = scene;
    const whole = agentPod(first);
    const pod = withoutMount(
      {
        ...whole,
        env: { ...whole.env, CLUSTERNET_PROC_SYS_NET: "/proc/sys/net" },
      },
      "/etc/cni/net.d",
    );
    await using container = byRunc(scene, first).run(pod);
    const { child } = container;
    await child.line(
      /Cannot set sysctl net\.?\/?ipv4.ip_forward to 1: Read-only file system; in a container, mount the host's/,
    );
    await eventually("the link is there", async () => {
      return (await first.space.run(["ip", "link", "show", "clusternet"]))
          .code === 0
        ? true
        : undefined;
    });
    assert.ok(child.running);
  },
);

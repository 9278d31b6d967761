/**
 * Nodes of a lab on which the image runs as the DaemonSet would have it: by runc
 * or containerd, against an API server with TLS and tokens; and what is looked
 * at in such a container.
 *
 * @module
 */

import assert from "node:assert/strict";
import { cannotRun, labTest, patience } from "../lab/harness.ts";
import type { Lab } from "../lab/lab.ts";
import { firstNode } from "../lab/look.ts";
import type { LabNode } from "../lab/node.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { type BuiltImage, builtImage } from "./built_image.ts";
import { agentPid, type Container, type Engine } from "./container.ts";
import { Containerd } from "./containerd.ts";
import { imageOfManifest, PROC_SYS_NET } from "./pod.ts";
import { runc } from "./runc.ts";
import { PROFILE } from "./seccomp.ts";

/** The name in the manifest is the one that the archive is imported under. */
const IMAGE = imageOfManifest();

export interface Scene {
  readonly lab: Lab;
  readonly first: LabNode;
  readonly image: BuiltImage;
  /** For files of the test. */
  readonly folder: string;
}

/** Those that build the image, and those that run it. */
const COMMANDS = ["buildah", "runc", "containerd", "ctr", "openssl"];

/**
 * Two nodes, booted and registered, without agents.
 *
 * @param commands that the test needs
 */
export function imageTest(
  name: string,
  body: (scene: Scene) => Promise<void>,
  commands: readonly string[] = COMMANDS,
): void {
  const missing = skipped(name, { commands, files: [PROFILE] });
  if (missing || cannotRun(name)) {
    Deno.test({ name, ignore: true, fn: () => {} });
    return;
  }
  labTest(name, { nodes: 2, pods: [4, 6], secure: true }, async (lab) => {
    const image = await builtImage();
    await using temporary = await tempDir();
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    const folder = temporary.path;
    await body({ lab, first: firstNode(lab), image, folder });
  });
}

/** The image on that node, by runc. */
export function byRunc(
  { image, folder }: Scene,
  node: LabNode,
  readOnly = true,
): Engine {
  const { rootfs, config } = image;
  return runc(node, { rootfs, config: config.config, folder, readOnly });
}

/** From the archive with zstd layers: the other one is what runc's root is made of. */
export async function byContainerd(
  { image, folder }: Scene,
  node: LabNode,
): Promise<Containerd> {
  const archive = image.archives.find(({ format }) => format === "zstd")?.file;
  assert.ok(archive !== undefined);
  return await Containerd.start(node, { folder, archive, image: IMAGE });
}

/** The other node runs it too. */
export function other({ lab }: Scene): LabNode {
  return lab.node("n2");
}

export async function inSync(container: Container): Promise<void> {
  await container.child.line(/\bOK, \d+ peers?/, {
    withinMs: patience(20_000),
  });
}

/** What /proc says of a process: "CapBnd" and so on. */
function statusOf(pid: number): ReadonlyMap<string, string> {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  return new Map(
    text.split("\n").map((line): [string, string] => {
      const [name = "", value = ""] = line.split(":\t");
      return [name, value.trim()];
    }),
  );
}

/** Capability 12, include/uapi/linux/capability.h. */
const CAP_NET_ADMIN = 1n << 12n;

export async function assertConfined({ pod }: Container): Promise<void> {
  const pid = await agentPid(pod);
  const status = statusOf(pid);
  for (const set of ["CapPrm", "CapEff", "CapBnd"]) {
    assert.equal(BigInt(`0x${status.get(set)}`), CAP_NET_ADMIN, set);
  }
  assert.equal(status.get("CapInh"), "0".repeat(16));
  assert.equal(status.get("NoNewPrivs"), "1");
  assert.equal(status.get("Seccomp"), "2", "a filter");
  const mounts = mountsOf(pid);
  assert.match(mounts.get("/") ?? "", /^ro\b/);
  assert.match(mounts.get("/proc/sys") ?? "", /^ro\b/);
  assert.match(mounts.get(PROC_SYS_NET) ?? "", /^rw\b/);
  assert.equal(memoryLimit(pid), pod.memoryLimit);
}

/** Bytes: cgroup v1 where the controller is there, else v2. */
function memoryLimit(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/cgroup`);
  const v1 = /^\d+:memory:(.*)$/m.exec(text)?.[1];
  const v2 = /^0::(.*)$/m.exec(text)?.[1] ?? "";
  return Number(Deno.readTextFileSync(
    v1 === undefined
      ? `/sys/fs/cgroup${v2}/memory.max`
      : `/sys/fs/cgroup/memory${v1}/memory.limit_in_bytes`,
  ));
}

/** Options by mount point, of the mount and not of its file system. */
function mountsOf(pid: number): ReadonlyMap<string, string> {
  const text = Deno.readTextFileSync(`/proc/${pid}/mountinfo`);
  return new Map(
    text.split("\n").map((line): [string, string] => {
      const fields = line.split(" ");
      return [fields[4] ?? "", fields[5] ?? ""];
    }),
  );
}

/** From a pod of the first node to each address of one of the second. */
export async function assertPings(lab: Lab): Promise<void> {
  const [from, to] = lab.nodes.map((node) => node.pods[0]);
  assert.ok(from !== undefined && to !== undefined);
  for (const address of to.addresses) {
    await from.node.space.must(["ping", "-c", "3", "-i", "0.2", address], {
      pod: from.name,
    });
  }
}

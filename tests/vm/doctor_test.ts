/**
 * What `clusternet doctor` says of a kernel without WireGuard, of one that is
 * older than WireGuard, and of one whose AppArmor denies the agent something.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Diagnosis } from "../../mod/doctor/check.ts";
import { amongOwnMounts, assertFound, doctor } from "../lab/doctor.ts";
import { Child, must } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { firstNode, ready } from "../lab/look.ts";
import type { LabNode } from "../lab/node.ts";
import { guestLabTest } from "./guest_lab.ts";

const ONLY = ["--only", "denials,kernel-old,kernel-wireguard"];

guestLabTest(
  "doctor finds a kernel without WireGuard, an old one, and what AppArmor denies; and none of it on a node that is well",
  {
    nodes: 1,
    up: async (lab) => {
      await lab.boot();
      await lab.register();
      await lab.assignPodCidrs();
    },
  },
  async (lab) => {
    const node = firstNode(lab);
    await without(node);
    await confined(node);
    node.startAgent();
    await ready(node, 30_000);
    assert.deepEqual((await doctor(node, ONLY)).findings, []);
  },
);

/** As on a machine whose kernel came without the module. */
async function without(node: LabNode): Promise<void> {
  const file = "/etc/modprobe.d/none.conf";
  await must(["mkdir", "-p", "/etc/modprobe.d"]);
  await Deno.writeTextFile(file, "install wireguard /bin/false\n");
  try {
    // The kernel takes namespaces of earlier tests down in its own time.
    await eventually("the module is gone", async () => {
      await must(["rmmod", "wireguard"]);
      return true;
    }, 60_000);
    const none = await doctor(node, ONLY);
    assert.deepEqual(none.findings.map(({ code }) => code), [
      "kernel-wireguard",
    ]);
    assertFound(none, "kernel-wireguard", /^Kernel \S+ has no WireGuard, and/);
    const old = await doctorOfOldKernel(node);
    assert.deepEqual(old.findings.map(({ code }) => code), ["kernel-old"]);
    assertFound(old, "kernel-old", /^Kernel 5\.4\.0-99 has no WireGuard: 5\.6/);
  } finally {
    await Deno.remove(file);
    await must(["modprobe", "wireguard"]);
  }
}

/** What it says itself is all that it is known by. */
async function doctorOfOldKernel(node: LabNode): Promise<Diagnosis> {
  const release = "/proc/sys/kernel/osrelease";
  const file = "/run/clusternet-cni/osrelease";
  await node.space.sh(
    `echo 5.4.0-99 > ${file}; mount --bind ${file} ${release}`,
  );
  try {
    return await doctor(node, ONLY);
  } finally {
    await node.space.sh(`umount ${release}`);
  }
}

/** It may write nothing but devices and below /proc. */
const PROFILE = `profile clusternet flags=(attach_disconnected) {
  capability,
  network,
  unix,
  / r,
  /** mrix,
  /dev/** rw,
  /proc/** rw,
}
`;

async function confined(node: LabNode): Promise<void> {
  const profile = "/tmp/clusternet.apparmor";
  await must(["mount", "-t", "securityfs", "securityfs", SECURITY]);
  try {
    await Deno.writeTextFile(profile, PROFILE);
    await must(["apparmor_parser", "--add", "--skip-cache", profile]);
    const { env } = node.settings;
    const agent = new Child(
      "the confined agent",
      amongOwnMounts(
        node.agentCommand(),
        "echo exec clusternet > /proc/self/attr/exec",
      ),
      { env },
    );
    await agent.line(/Cannot/, { withinMs: 100_000 });
    await agent.stop("SIGKILL");
    assertFound(
      await doctor(node, ONLY),
      "denials",
      /^AppArmor denies our program something/,
    );
    await must(["apparmor_parser", "--remove", profile]);
  } finally {
    await must(["umount", SECURITY]);
  }
}

const SECURITY = "/sys/kernel/security";

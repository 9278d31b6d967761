/**
 * Whose WireGuard a lab uses: the kernel's where `ip link add type wireguard`
 * works, else the wireguard-go program, which the lab starts and ends.
 *
 * @module
 */

import { findCommand } from "../support/packages.ts";
import { must } from "./exec.ts";
import type { Space } from "./space.ts";

export type Backend = "kernel" | "userspace";

export interface WireGuard {
  readonly backend: Backend;
  /** For people: "wireguard-go 0.0.20220316 (this kernel has no WireGuard)". */
  readonly text: string;
}

/** Tries the kernel in that place; leaves nothing there. */
export async function findWireGuard(
  space: Space,
  wanted: "auto" | Backend = "auto",
): Promise<WireGuard> {
  const kernel = await kernelHasWireGuard(space);
  if (wanted !== "userspace" && kernel) {
    const release = (await must(["uname", "-r"])).trim();
    return {
      backend: "kernel",
      text: `the kernel's WireGuard (Linux ${release})`,
    };
  }
  if (wanted === "kernel") {
    throw new Error(
      "Cannot use the kernel's WireGuard: this kernel has none; use --backend userspace",
    );
  }
  if (findCommand("wireguard-go") === undefined) {
    throw new Error(
      "Cannot find WireGuard: this kernel has none, and wireguard-go is not installed",
    );
  }
  const version = await wireguardGoVersion();
  const why = kernel ? "as asked" : "this kernel has no WireGuard";
  return { backend: "userspace", text: `wireguard-go ${version} (${why})` };
}

async function kernelHasWireGuard(space: Space): Promise<boolean> {
  const name = "probe-wg";
  const { code } = await space.run([
    ...["ip", "link", "add", name, "type", "wireguard"],
  ]);
  if (code !== 0) return false;
  await space.run(["ip", "link", "del", name]);
  return true;
}

async function wireguardGoVersion(): Promise<string> {
  const said = await must(["wireguard-go", "--version"]);
  return said.match(/v?(\d+\.\d+\.\d+\S*)/)?.[1] ?? "of unknown version";
}

/**
 * Whose WireGuard a lab uses: the kernel's where `ip link add type wireguard`
 * works, else the wireguard-go program, which the lab starts and ends.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findCommand } from "../support/packages.ts";
import { Child, must } from "./exec.ts";
import type { Space } from "./space.ts";

/** The version that is built where there is no package. */
export const GO_MODULE =
  "golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446";

export const WIREGUARD_GO_DIR = fileURLToPath(
  new URL("../../.build", import.meta.url),
);

/** The machine's, else the one built here. `undefined`: neither. */
export function findWireguardGo(): string | undefined {
  const own = `${WIREGUARD_GO_DIR}/wireguard-go`;
  const there = existsSync(own) ? own : undefined;
  return findCommand("wireguard-go") ?? there;
}

export type Backend = "kernel" | "userspace";

export interface WireGuard {
  readonly backend: Backend;
  /** For people: "wireguard-go 0.0.20220316 (this kernel has no WireGuard)". */
  readonly text: string;
  /** Path of wireguard-go; "": not used. */
  readonly program: string;
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
      program: "",
    };
  }
  if (wanted === "kernel") {
    throw new Error(
      "Cannot use the kernel's WireGuard: this kernel has none; use --backend userspace",
    );
  }
  const program = findWireguardGo();
  if (program === undefined) {
    throw new Error(
      "Cannot find WireGuard: this kernel has none, and wireguard-go is not installed",
    );
  }
  const version = await wireguardGoVersion(program);
  const why = kernel ? "as asked" : "this kernel has no WireGuard";
  return {
    backend: "userspace",
    text: `wireguard-go ${version} (${why})`,
    program,
  };
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

async function wireguardGoVersion(program: string): Promise<string> {
  const said = await must([program, "--version"]);
  return said.match(/v?(\d+\.\d+\.\d+\S*)/)?.[1] ?? "of unknown version";
}

/** In the foreground, in that place; its link is there when this resolves. */
export async function startWireguardGo(
  space: Space,
  options: {
    readonly program: string;
    readonly link: string;
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<Child> {
  const { program, link, env } = options;
  const child = new Child(
    `wireguard-go of ${space.name}`,
    space.command([program, "-f", link]),
    { env: { ...env, WG_PROCESS_FOREGROUND: "1", LOG_LEVEL: "error" } },
  );
  await space.sh(
    `for i in $(seq 200); do [ -S /run/wireguard/${link}.sock ] && exit 0; sleep 0.02; done; exit 1`,
  ).catch((cause) => {
    throw new Error(
      `Cannot start ${child.name}: ${child.lines.join(" ")}`,
      { cause },
    );
  });
  return child;
}

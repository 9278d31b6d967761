/**
 * What the lab needs of the machine beyond Deno, and why.
 *
 * @module
 */

import {
  findCommand,
  installPackages,
  missingNeeds,
  type Need,
  needsText,
} from "../support/packages.ts";
import { shimIsFresh } from "../../ffi/build.ts";
import { CNI_PLUGIN_DIRS, PLUGINS } from "./cni.ts";
import { must, run, SHELL } from "./exec.ts";
import { findWireguardGo, GO_MODULE, WIREGUARD_GO_DIR } from "./wireguard.ts";

export const COMPILER: Need = {
  package: "gcc",
  why: "compiles the shim, the agent's way to the kernel",
  anyOf: ["cc"],
};

const COMMANDS: readonly Need[] = [
  {
    package: "iproute2",
    why: "links, addresses and routes (ip)",
    anyOf: ["ip"],
  },
  { package: "iputils-ping", why: "the matrix (ping)", anyOf: ["ping"] },
  {
    package: "tcpdump",
    why: "the proof that nothing leaves in clear",
    anyOf: ["tcpdump"],
  },
  {
    package: "util-linux",
    why: "namespaces (unshare, nsenter, setpriv)",
    anyOf: ["nsenter"],
  },
  {
    package: "wireguard-tools",
    why: "a look at the tunnels from outside (wg)",
    anyOf: ["wg"],
  },
];

const CNI_PACKAGE: Need = {
  package: "containernetworking-plugins",
  why: `the CNI plugins ${PLUGINS.join(", ")}, which attach the pods`,
  anyOf: CNI_PLUGIN_DIRS.map((dir) => `${dir}/ptp`),
};

const WIREGUARD_GO: Need = {
  package: "wireguard-go",
  why: "WireGuard, which this kernel does not have",
  anyOf: ["wireguard-go"],
};

/** Whether the kernel has WireGuard shows only to root, once `ip` is there. */
const PERHAPS_WIREGUARD_GO: Need = {
  ...WIREGUARD_GO,
  why: "WireGuard, if this kernel does not have it",
};

/** What else is needed beside the lab, or instead of it. */
export interface Wanted {
  readonly lab: boolean;
  readonly needs: readonly Need[];
}

const LAB_ALONE: Wanted = { lab: true, needs: [] };

/** What is missing here, as Debian packages. */
export async function missingPackages(
  { lab, needs }: Wanted = LAB_ALONE,
): Promise<readonly Need[]> {
  if (!lab) return missingNeeds(needs);
  const missing = missingNeeds([
    ...COMMANDS,
    CNI_PACKAGE,
    ...await shimIsFresh() ? [] : [COMPILER],
    ...needs,
  ]);
  if (findWireguardGo() !== undefined) return missing;
  const canTry = findCommand("ip") !== undefined && Deno.uid() === 0;
  if (!canTry) return [...missing, PERHAPS_WIREGUARD_GO];
  return await kernelHasWireGuard() ? missing : [...missing, WIREGUARD_GO];
}

export interface Installing {
  /** Told what, before it happens. */
  readonly say: (text: string) => void;
  /** Ends it, once apt-get has ended what it was at. */
  readonly signal: AbortSignal;
}

/**
 * Installs all of it.
 * @throws {Error} one sentence; the reason of the signal
 */
export async function installMissing(
  installing: Installing,
  wanted: Wanted = LAB_ALONE,
): Promise<void> {
  const { say, signal } = installing;
  const tell = (): void => say("interrupted: waiting for apt-get to end");
  signal.addEventListener("abort", tell);
  try {
    await install(installing, await missingPackages(wanted));
    // Now `ip` can tell whether wireguard-go is needed.
    await install(installing, await missingPackages(wanted));
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", tell);
  }
}

async function install(
  { say, signal }: Installing,
  missing: readonly Need[],
): Promise<void> {
  signal.throwIfAborted();
  const certain = missing.filter((need) => need !== PERHAPS_WIREGUARD_GO);
  if (certain.length === 0) return;
  say(`installing Debian packages:\n${needsText(certain)}`);
  const names = certain.map((need) => need.package);
  await installPackages(
    names.filter((name) => name !== WIREGUARD_GO.package),
    signal,
  );
  if (!certain.includes(WIREGUARD_GO)) return;
  try {
    await installPackages([WIREGUARD_GO.package], signal);
  } catch (error) {
    signal.throwIfAborted();
    if (findCommand("go") === undefined) throw error;
    say("there is no such package: building wireguard-go from its Go module");
    await buildWireguardGo();
  }
}

/** Tried in a namespace that ends with the try. */
async function kernelHasWireGuard(): Promise<boolean> {
  const script = "ip link add probe type wireguard";
  const { code } = await run(["unshare", "--net", "--", SHELL, "-c", script]);
  return code === 0;
}

/** For machines without that package: from its source, where Go is installed. */
async function buildWireguardGo(): Promise<void> {
  await must(["go", "install", GO_MODULE], {
    env: { GOBIN: WIREGUARD_GO_DIR },
  });
  await Deno.rename(
    `${WIREGUARD_GO_DIR}/wireguard`,
    `${WIREGUARD_GO_DIR}/wireguard-go`,
  );
}

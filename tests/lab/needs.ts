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
import { CNI_PLUGIN_DIRS, PLUGINS } from "./cni.ts";
import { must, run, SHELL } from "./exec.ts";
import { findWireguardGo, GO_MODULE, WIREGUARD_GO_DIR } from "./wireguard.ts";

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
  {
    package: "gcc",
    why: "compiles the shim, the agent's way to the kernel",
    anyOf: ["cc"],
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

/**
 * What is missing here, as Debian packages. Whether the kernel has WireGuard
 * shows only once `ip` is there: then ask again.
 */
export async function missingPackages(): Promise<readonly Need[]> {
  const missing = missingNeeds([...COMMANDS, CNI_PACKAGE]);
  const canTry = missingNeeds(COMMANDS.slice(0, 1)).length === 0;
  if (!canTry || await kernelHasWireGuard()) return missing;
  return findWireguardGo() === undefined ? [...missing, WIREGUARD_GO] : missing;
}

/**
 * Installs all of it.
 * @param say told what, before it happens
 * @throws {Error} one sentence
 */
export async function installMissing(
  say: (text: string) => void,
): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const missing = await missingPackages();
    if (missing.length === 0) return;
    say(`installing Debian packages:\n${needsText(missing)}`);
    const names = missing.map((need) => need.package);
    await installPackages(
      names.filter((name) => name !== WIREGUARD_GO.package),
    );
    if (!missing.includes(WIREGUARD_GO)) continue;
    try {
      await installPackages([WIREGUARD_GO.package]);
    } catch (error) {
      if (findCommand("go") === undefined) throw error;
      say("there is no such package: building wireguard-go from its Go module");
      await buildWireguardGo();
    }
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

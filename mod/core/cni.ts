/**
 * The CNI configuration that container runtimes run for each pod, rendered from
 * our own Node's podCIDRs (CNI specification 0.3.1, network configuration lists).
 *
 * `ptp` gives a pod its veth pair, `host-local` its address, `portmap` its
 * hostPorts. The gateway is named, because the link holds that address too and
 * `src` of our routes is that one. Leases lie below /run: they end with the boot
 * that made them, as the pods do, and outlive every restart of the agent.
 *
 * @module
 */

import { type Family, familyOf, firstAddress, type Prefix } from "./address.ts";

/** On tmpfs; not a systemd RuntimeDirectory, which is wiped when the agent stops. */
export const CNI_RUN_DIRECTORY = "/run/clusternet-cni";

export const LEASES_DIRECTORY = `${CNI_RUN_DIRECTORY}/leases`;

/** What a pod's network is made of here: all of them have to be on the machine. */
const PTP = "ptp";
const HOST_LOCAL = "host-local";
const PORTMAP = "portmap";
export const CNI_PLUGINS: readonly string[] = [PTP, HOST_LOCAL, PORTMAP];

const DEFAULT_ROUTE: Readonly<Record<Family, string>> = {
  4: "0.0.0.0/0",
  6: "::/0",
};

export interface ConflistOptions {
  readonly networkName: string;
  /** Bytes: that of the link. */
  readonly mtu: number;
}

/**
 * The text of the file: the same for the same input, byte by byte.
 *
 * @param podCidrs one range set, and so one address for a pod, for each
 */
export function conflistText(
  podCidrs: readonly Prefix[],
  { networkName, mtu }: ConflistOptions,
): string {
  const families = [...new Set(podCidrs.map((cidr) => familyOf(cidr)))];
  const conflist = {
    cniVersion: "0.3.1",
    name: networkName,
    plugins: [
      {
        type: PTP,
        mtu,
        ipMasq: false,
        ipam: {
          type: HOST_LOCAL,
          dataDir: LEASES_DIRECTORY,
          ranges: podCidrs.map((subnet) => [
            { subnet, gateway: firstAddress(subnet) },
          ]),
          routes: families.map((family) => ({ dst: DEFAULT_ROUTE[family] })),
        },
      },
      {
        type: PORTMAP,
        capabilities: { portMappings: true },
        snat: true,
      },
    ],
  };
  return `${JSON.stringify(conflist, null, 2)}\n`;
}

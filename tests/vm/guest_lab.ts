/**
 * A lab in the guest: three nodes out of namespaces, real agents, the kernel's own WireGuard.
 *
 * @module
 */

import { bringUp, labTest } from "../lab/harness.ts";
import type { Lab, LabOptions } from "../lab/lab.ts";
import type { LabNode, Pod } from "../lab/node.ts";
import { Probe } from "../lab/probe.ts";
import { guestTest } from "./in_guest.ts";

export interface GuestLabOptions extends Partial<LabOptions> {
  /** How its nodes come up; default: all at once. */
  readonly up?: (lab: Lab) => Promise<void>;
}

/** As `labTest`, in the guest only, always on the kernel's WireGuard. */
export function guestLabTest(
  name: string,
  { up = bringUp, ...options }: GuestLabOptions,
  body: (lab: Lab) => Promise<void>,
): void {
  if (Deno.env.get("CLUSTERNET_GUEST") === undefined) {
    return guestTest(name, () => Promise.resolve());
  }
  labTest(name, { ...options, backend: "kernel" }, async (lab) => {
    await up(lab);
    await body(lab);
  });
}

/** A thousand UDP packets a second from one pod to another. */
export async function probePods(from: Pod, to: Pod): Promise<Probe> {
  const place = (pod: Pod) => (command: readonly string[]) =>
    pod.node.space.command(command, pod.name);
  const [address = ""] = to.addresses;
  const { env } = from.node.settings;
  // Room for seconds of packets: an emulated machine can be busy for so long.
  const usual = await Deno.readTextFile(SOCKET_BYTES);
  await Deno.writeTextFile(SOCKET_BYTES, String(16 * 1024 * 1024));
  try {
    return await Probe.start({
      from: place(from),
      to: place(to),
      address,
      env,
    });
  } finally {
    await Deno.writeTextFile(SOCKET_BYTES, usual);
  }
}

/** What a new socket may hold of received packets, bytes; socket(7). */
const SOCKET_BYTES = "/proc/sys/net/core/rmem_default";

/**
 * What the agent keeps in order on its node, as text: link, addresses, routes, rules, forwarding
 * and peers; nothing that changes by itself.
 */
export async function orderOf(node: LabNode): Promise<string> {
  return await node.space.sh(`
ip -o link show clusternet | sed 's/^[0-9]*: //'
ip -o address show dev clusternet | sed 's/^[0-9]*: //'
ip -4 route show
ip -6 route show | sed '/^fe80/d'
nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
cat /proc/sys/net/ipv4/ip_forward
wg show clusternet dump | tail -n +2 | cut -f 1,3,4 | sort`);
}

/**
 * What a diagnosis finds out by packets of its own: which peers answer, and of
 * which size.
 *
 * @module
 */

import { firstAddress } from "../core/address.ts";
import { OVERHEAD } from "../core/desired.ts";
import { parseSocketAddress } from "../core/option_values.ts";
import type { PathFacts, Probed, StateFacts } from "../doctor/facts.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { unreachableCount } from "../sys/doctor_machine.ts";
import { largestThatComesBack, pingComesBack } from "../sys/doctor_network.ts";
import { TcpProbe } from "../sys/probe.ts";
import type { Shim } from "../sys/shim.ts";

/** Bytes of a packet that every path carries. */
const SMALL = 84;

/** Seconds for the first answer: a handshake that is lost is sent again after 5. */
const FIRST_SECONDS = 6;

/** Peers whose path is measured: a big cluster is not flooded. */
const PATHS = 8;

/** Has the agent ask every peer, and those that are down outside of the tunnel. */
export async function probePeers(
  link: string,
  shim: Shim,
): Promise<Probed> {
  const before = unreachableCount(shim);
  // Counted is what comes back, so something has to go out to each.
  const status = await askStatus({ link, query: "probe=anew" });
  const unreachable = unreachableCount(shim) - before;
  const dark: string[] = [];
  for (const { node, endpoint, state } of status.peers) {
    const at = parseSocketAddress(endpoint ?? "");
    if (state !== "down" || at === undefined) continue;
    const { answered } = await new TcpProbe().probe(at.hostname, 2_000);
    if (!answered) dark.push(node ?? "");
  }
  return { status, unreachable, dark };
}

/** @throws {Error} where there is no link, or no ping(8) */
export async function measurePaths(
  { have, want, names }: StateFacts,
): Promise<readonly PathFacts[]> {
  const full = have.link?.mtu;
  if (full === undefined) throw new Error("there is no link");
  const peers = [...want.peers?.values() ?? []].slice(0, PATHS);
  return await Promise.all(peers.map(async (peer) => {
    const [prefix] = peer.allowedIps;
    const address = prefix === undefined ? "" : String(firstAddress(prefix));
    const small = await pingComesBack(address, SMALL, FIRST_SECONDS);
    const largest = small ? await largestThatComesBack(address, full) : null;
    const overIpv6 = peer.endpoint?.startsWith("[") ?? false;
    const outside = parseSocketAddress(peer.endpoint ?? "")?.hostname ?? "";
    const hole = largest !== null && largest < full;
    const overhead = OVERHEAD[overIpv6 ? 6 : 4];
    const underlay = hole && await pingComesBack(outside, SMALL)
      ? await largestThatComesBack(outside, full + overhead)
      : null;
    const node = names.get(peer.publicKey) ?? peer.publicKey;
    return { node, address, full, small, largest, underlay, overIpv6 };
  }));
}

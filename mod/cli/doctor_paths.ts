/**
 * What a diagnosis finds out by packets of its own: which peers answer, and of
 * which size.
 *
 * @module
 */

import { firstAddress, parseAddress } from "../core/address.ts";
import { OVERHEAD } from "../core/desired.ts";
import { parseSocketAddress } from "../core/option_values.ts";
import { HANDSHAKE_MS } from "../core/peer_state.ts";
import type { Peer } from "../core/state.ts";
import type { Part, PathFacts, Probed, StateFacts } from "../doctor/facts.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { unreachableCount } from "../sys/doctor_machine.ts";
import { TcpProbe } from "../sys/probe.ts";
import type { Shim } from "../sys/shim.ts";
import { SizedProbe } from "../sys/sized_probe.ts";

/** Bytes of a packet that every path carries. */
const SMALL = 84;

/** Bytes (WireGuard paper, 5.4.6). */
const FILL = 16;

/** Peers whose path is measured: a big cluster is not flooded. */
const PATHS = 8;

/** Names of the Nodes that gave no answer. */
export function downOf(
  probed: Part<Probed> | undefined,
): ReadonlySet<string> {
  if (probed === undefined || "why" in probed) return new Set();
  return new Set(
    probed.value.status.peers.filter(({ state }) => state === "down")
      .map(({ node }) => node ?? ""),
  );
}

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

/**
 * @param down Nodes that are known to give no answer: none is waited for
 * @throws {Error} where there is no link, or no peer that says whether anything comes through
 */
export async function measurePaths(
  { have, want, names }: StateFacts,
  { down, shim }: { readonly down: ReadonlySet<string>; readonly shim: Shim },
): Promise<readonly PathFacts[]> {
  const full = have.link?.mtu;
  if (full === undefined) throw new Error("there is no link");
  const peers = [...want.peers?.values() ?? []].slice(0, PATHS);
  const paths = await Promise.all(peers.map(async (peer) => {
    const node = names.get(peer.publicKey) ?? peer.publicKey;
    const firstMs = down.has(node) ? 0 : HANDSHAKE_MS;
    return { node, ...await measurePath(peer, { full, firstMs, shim }) };
  }));
  if (paths.length > 0 && !paths.some(({ small }) => small)) {
    throw new Error(
      `no answer from ${
        paths.map(({ node }) => node).join(", ")
      }, whatever the size: down, or their firewalls drop UDP that nobody waits for`,
    );
  }
  return paths;
}

async function measurePath(
  peer: Peer,
  { full, firstMs, shim }: {
    readonly full: number;
    readonly firstMs: number;
    readonly shim: Shim;
  },
): Promise<Omit<PathFacts, "node">> {
  const overIpv6 = peer.endpoint?.startsWith("[") ?? false;
  const [prefix] = peer.allowedIps;
  const none = { full, small: false, largest: null, underlay: null, overIpv6 };
  if (prefix === undefined) return { ...none, address: "" };
  const address = firstAddress(prefix);
  const inside = new SizedProbe(shim, address);
  const small = await inside.comesThrough(SMALL, firstMs);
  if (!small) return { ...none, address };
  const largest = await inside.largest(full);
  const hole = largest !== null && largest < full;
  const outside = parseSocketAddress(peer.endpoint ?? "")?.hostname;
  if (!hole || outside === undefined) {
    return { ...none, address, small, largest };
  }
  // WireGuard fills packets up to 16 bytes: the path carries one of these.
  const least = largest + OVERHEAD[overIpv6 ? 6 : 4];
  const underlay = await new SizedProbe(shim, parseAddress(outside))
    .largestOf(Array.from({ length: FILL + 1 }, (_, more) => least + more));
  return { ...none, address, small, largest, underlay };
}

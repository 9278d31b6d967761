/**
 * Checks of the way to the peers: probes, handshakes, sizes.
 *
 * @module
 */

import { OVERHEAD } from "../core/desired.ts";
import { parseSocketAddress } from "../core/option_values.ts";
import { isUnanswered, SESSION_MS } from "../core/traffic.ts";
import type { PeerStatus } from "../core/status.ts";
import { type Check, check, type Found } from "./check.ts";
import { seen } from "./evidence.ts";
import type { Facts } from "./facts.ts";

/** Milliseconds by which a peer's handshake may be younger than now. */
const FUTURE_MS = 5_000;

export const PATH_CHECKS: readonly Check[] = [
  check(
    "peer-refused",
    "peers whose machine refuses UDP (a real probe to each)",
    {
      needs: ["probed", "config"],
      find: ({ probed, config }) =>
        probed.unreachable === 0 ? [] : down(probed).map((peer) => ({
          node: nameOf(peer),
          sentence: `${
            nameOf(peer)
          } gives no answer, and ICMP says "unreachable": nothing listens there on UDP ${config.listenPort}, or a firewall rejects it`,
          evidence: peerEvidence(peer, config),
          cure: `on ${
            nameOf(peer)
          }: clusternet doctor; is the agent there up, is UDP ${config.listenPort} open`,
        })),
    },
  ),
  check(
    "peer-silent",
    "peers from which nothing comes back (a real probe to each)",
    {
      needs: ["probed", "config"],
      find: ({ probed, config }) =>
        probed.unreachable > 0 ? [] : down(probed).map((peer) => {
          const dark = probed.dark.includes(peer.node ?? "");
          return {
            node: nameOf(peer),
            sentence:
              `${
                nameOf(peer)
              } (${peer.endpoint}) gives no answer through the tunnel: nothing comes back at all` +
              (dark
                ? ", and the machine does not answer outside of it either"
                : ", though the machine itself answers outside of it"),
            evidence: peerEvidence(peer, config),
            cure: dark
              ? `is ${nameOf(peer)} up, and its network? ping ${
                hostOf(peer.endpoint)
              }`
              : `open UDP ${config.listenPort} between the nodes, both ways (firewall, security group); on ${
                nameOf(peer)
              }: clusternet doctor`,
          };
        }),
    },
  ),
  check("handshake-stale", "peers that are sent to and shake no hands", {
    needs: ["state", "traffic", "config"],
    find: ({ state: { names }, traffic: { peers, nowMs }, config }) =>
      [...peers].filter(([, peer]) =>
        isUnanswered(peer) ||
        (peer.lastHandshakeMs !== undefined &&
          nowMs - peer.lastHandshakeMs > SESSION_MS * 2 &&
          peer.sentBytes > peer.receivedBytes * 10)
      ).map(([key, peer]) => ({
        node: names.get(key) ?? key,
        severity: "warning" as const,
        sentence: `${
          names.get(key) ?? key
        } was sent ${peer.sentBytes} bytes and has ${
          peer.lastHandshakeMs === undefined
            ? "never shaken hands"
            : `not shaken hands for ${
              Math.round((nowMs - peer.lastHandshakeMs) / 60_000)
            } minutes`
        }`,
        evidence: [
          seen(
            `wg show ${config.interface} transfer`,
            `${key} ${peer.receivedBytes} ${peer.sentBytes}`,
          ),
          seen(
            `wg show ${config.interface} latest-handshakes`,
            `${key} ${peer.lastHandshakeMs ?? 0}`,
          ),
        ],
        cure:
          `clusternet doctor --only peer-silent,peer-refused tells which side; on that node: clusternet doctor --only key-mismatch`,
      })),
  }),
  check(
    "handshake-future",
    "handshakes that are yet to come: a clock went back",
    {
      needs: ["state", "traffic", "config"],
      find: ({ state: { names }, traffic: { peers, nowMs }, config }) =>
        [...peers].filter(([, { lastHandshakeMs }]) =>
          lastHandshakeMs !== undefined && lastHandshakeMs > nowMs + FUTURE_MS
        ).map(([key]) => ({
          node: names.get(key) ?? key,
          severity: "warning" as const,
          sentence: `The last handshake with ${
            names.get(key) ?? key
          } lies in the future: this clock was set back, and peers refuse new ones until it is there again`,
          evidence: [
            seen(`wg show ${config.interface} latest-handshakes`, key),
          ],
          cure:
            "timedatectl set-ntp true; then restart the agent's peer: wg set … remove, which the agent adds again",
        })),
    },
  ),
  check(
    "mtu-black-hole",
    "the largest packet that comes through to each peer",
    {
      needs: ["paths", "config"],
      find: ({ paths, config }): Found | undefined => {
        const holes = paths.flatMap((path) =>
          path.small && path.largest !== null && path.largest < path.full
            ? [{ ...path, largest: path.largest }]
            : []
        );
        const [first] = [...holes].sort((a, b) => a.largest - b.largest);
        if (first === undefined) return undefined;
        const carries = first.underlay ??
          first.largest + OVERHEAD[first.overIpv6 ? 6 : 4];
        return {
          node: first.node,
          sentence:
            `Packets of more than ${first.largest} bytes do not come through to ${first.node} (the link takes ${first.full}): the path carries ${carries} bytes, less than the network card says`,
          evidence: [
            seen(pingText(first.address, first.full), "no answer"),
            seen(pingText(first.address, first.largest), "answered"),
          ],
          cure:
            `--mtu ${carries} of the agent, on all nodes (CLUSTERNET_MTU=${carries} in /etc/clusternet/clusternet.env; now ${config.mtu}); or let the path carry more`,
        };
      },
    },
  ),
];

/** A packet of so many bytes: IP and ICMP headers are around what `ping -s` counts. */
function pingText(address: string, bytes: number): string {
  const headers = address.includes(":") ? 48 : 28;
  return `ping -c 1 -M do -s ${bytes - headers} ${address}`;
}

function down({ status }: Facts["probed"]): readonly PeerStatus[] {
  return status.peers.filter(({ state }) => state === "down");
}

function nameOf({ node, publicKey }: PeerStatus): string {
  return node ?? publicKey;
}

function hostOf(endpoint: string | null): string {
  return parseSocketAddress(endpoint ?? "")?.hostname ?? "";
}

function peerEvidence(
  peer: PeerStatus,
  config: Facts["config"],
): Found["evidence"] {
  const { publicKey, receivedBytes, sentBytes, handshakeSeconds } = peer;
  return [
    seen(
      `wg show ${config.interface} transfer`,
      `${publicKey} ${receivedBytes} ${sentBytes}`,
    ),
    seen(
      `wg show ${config.interface} latest-handshakes`,
      `${publicKey} ${
        handshakeSeconds === null ? "never" : `${handshakeSeconds} s ago`
      }`,
    ),
    seen(
      `ping -c 1 -W 2 ${peer.linkAddress ?? ""}`,
      peer.probe?.failure ?? "no answer",
    ),
  ];
}

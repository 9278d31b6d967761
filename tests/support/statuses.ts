/**
 * What an agent would say in a cluster of so many Nodes, without one: for what
 * people see of it.
 *
 * @module
 */

import {
  type PeerStatus,
  type Status,
  STATUS_SCHEMA,
} from "../../mod/core/status.ts";

/** Names as nobody should give them; an API server would refuse some of them. */
export const ODD_NAMES: readonly string[] = [
  'quo"te',
  "apos'trophe",
  "<script>alert(1)</script>",
  "</title></svg><img src=x onerror=alert(1)>",
  "new\nline",
  "right\u202eto\u202cleft\u2067",
  "back\\slash\\N\\",
  "&amp; &#39; #quot; #35;",
  "`tick` %% %%{init: {}}%% ; end",
  "]--> x",
  "{{a}} || b",
  "nul\u0000\u001b[31m\ufffe\ud800",
  "עברית",
  "subgraph",
  "end",
  `${"long-".repeat(50)}name`,
];

/** Node n1's view; every 50th other is down, every 40th idle, the last of more than three no peer. */
export function statusOf(
  count: number,
  { name = (at: number) => `n${at}` }: {
    /** From 1. */
    readonly name?: (at: number) => string;
  } = {},
): Status {
  const podCidr = (at: number): string => `10.${at >> 8}.${at & 255}.0/24`;
  const last = count > 3 ? count : undefined;
  const peers = Array.from({ length: count - 1 }, (_, at) => at + 2)
    .filter((at) => at !== last)
    .map((at) => peerOf(at, { node: name(at), podCidr: podCidr(at) }));
  return {
    schema: STATUS_SCHEMA,
    version: "0.1.0",
    time: "2026-01-01T12:00:00Z",
    startedAt: "2026-01-01T08:00:00Z",
    health: { ready: true, text: `OK, ${peers.length} peers`, problems: [] },
    node: {
      name: name(1),
      uid: "uid-1",
      internalIps: ["192.0.2.1"],
      podCidrs: [podCidr(1)],
    },
    key: {
      publicKey: "A".repeat(43) + "=",
      published: "A".repeat(43) + "=",
      annotation: "clusternet.dev/wg-pubkey",
    },
    link: {
      name: "clusternet",
      backend: "kernel",
      up: true,
      mtu: 1_440,
      listenPort: 7_838,
      addresses: ["10.0.1.0/32"],
    },
    clusterCidrs: ["10.0.0.0/8"],
    api: {
      server: "https://192.0.2.10:6443",
      synced: true,
      silentSeconds: 4.2,
      error: null,
      nodes: count,
    },
    turn: {
      at: "2026-01-01T11:59:50Z",
      agoSeconds: 10,
      milliseconds: 4.5,
      scope: "full",
      applied: 0,
      problems: [],
    },
    peers,
    findings: last === undefined ? [] : [{
      node: name(last),
      peer: false,
      reasons: [{
        code: "no-pod-cidrs",
        text: `Node ${name(last)} has no podCIDRs yet`,
      }],
    }],
  };
}

function peerOf(
  at: number,
  { node, podCidr }: { readonly node: string; readonly podCidr: string },
): PeerStatus {
  const state = at % 50 === 0 ? "down" : at % 40 === 0 ? "idle" : "up";
  return {
    node,
    publicKey: `${String(at).padStart(42, "B")}A=`,
    endpoint: `192.0.2.${at & 255}:7838`,
    podCidrs: [podCidr],
    linkAddress: podCidr.replace("/24", ""),
    handshakeSeconds: state === "up" ? at % 120 : state === "idle" ? 900 : null,
    receivedBytes: at * 10_000,
    sentBytes: at * at * 1_000,
    state,
    probe: state === "down"
      ? {
        agoSeconds: 3,
        answered: false,
        roundTripMs: null,
        failure: "no answer within 6 s",
      }
      : null,
  };
}

/** n1 to n3, of which n3 answers nobody. */
export function brokenStatus(): Status {
  const status = statusOf(3);
  const failure = "no answer within 6 s";
  const probe = { agoSeconds: 3, answered: false, roundTripMs: null, failure };
  const peers = status.peers.map((peer): PeerStatus =>
    peer.node === "n3" ? { ...peer, state: "down", probe } : peer
  );
  return { ...status, peers };
}

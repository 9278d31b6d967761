/**
 * Every metric of the agent: what it is called, what it means, and where in what
 * the agent knows it is. `docs/metrics.md` is printed from here.
 *
 * The names that begin with "wireguard_", and their labels, are those of
 * prometheus_wireguard_exporter, so that dashboards for that fit. How many series
 * there are is bounded: labels are of our own making, but for those of peers,
 * which are left out in large clusters.
 *
 * @module
 */

import type { RemarkCode } from "../core/candidate.ts";
import type { CounterName, Counters } from "../core/counters.ts";
import { TURN_BOUNDS } from "../core/counters.ts";
import type { ProcessFigures } from "../core/process_figures.ts";
import type { PeerStatus, Status } from "../core/status.ts";
import type { Family, Sample } from "./metrics_text.ts";

export interface MetricFacts {
  readonly status: Status;
  readonly counters: Counters;
  readonly process: ProcessFigures;
  /** Is each peer told of? */
  readonly perPeer: boolean;
}

export interface Metric extends Omit<Family, "samples"> {
  readonly labels: readonly string[];
  readonly samples: (facts: MetricFacts) => readonly Sample[];
}

const REASONS: Readonly<Record<RemarkCode | "conflict", true>> = {
  "bad-name": true,
  "no-key": true,
  "bad-key": true,
  "own-key": true,
  "no-internal-ip": true,
  "bad-endpoint": true,
  "no-pod-cidrs": true,
  "too-many": true,
  "bad-pod-cidr": true,
  "outside-cluster-cidr": true,
  "too-wide": true,
  "own-pod-cidr": true,
  conflict: true,
};

const STATES = ["up", "idle", "down"] as const;
const PEER_LABELS = ["interface", "public_key", "allowed_ips", "friendly_name"];

// deno-fmt-ignore
export const METRICS: readonly Metric[] = [
  { name: "wireguard_sent_bytes_total", type: "counter", unit: "bytes", labels: PEER_LABELS, help: "Bytes sent to the peer", samples: ofPeers(({ sentBytes }) => sentBytes) },
  { name: "wireguard_received_bytes_total", type: "counter", unit: "bytes", labels: PEER_LABELS, help: "Bytes received from the peer", samples: ofPeers(({ receivedBytes }) => receivedBytes) },
  { name: "wireguard_latest_handshake_seconds", type: "gauge", unit: "seconds", labels: PEER_LABELS, help: "When the last handshake with the peer was, in seconds since 1970; 0: never", samples: ofPeers(handshakeAt) },
  { name: "clusternet_peer_state", type: "gauge", labels: [...PEER_LABELS, "state"], help: "1 for the state that the peer is in (up, idle or down), 0 for the others", samples: peerStates },
  { name: "clusternet_build_info", type: "info", labels: ["version"], help: "The agent's version", samples: ({ status }) => [{ labels: { version: status.version }, value: 1 }] },
  { name: "clusternet_ready", type: "gauge", labels: [], help: "1 while everything stands as it should, as /readyz says", samples: one(({ status }) => Number(status.health.ready)) },
  { name: "clusternet_synced", type: "gauge", labels: [], help: "1 once a complete list of Nodes has come since the start", samples: one(({ status }) => Number(status.api.synced)) },
  { name: "clusternet_link_up", type: "gauge", labels: [], help: "1 while the WireGuard link is there and up", samples: one(({ status }) => Number(status.link?.up === true)) },
  { name: "clusternet_link_mtu_bytes", type: "gauge", unit: "bytes", labels: [], help: "MTU of the link; 0: there is none", samples: one(({ status }) => status.link?.mtu ?? 0) },
  { name: "clusternet_nodes", type: "gauge", labels: [], help: "Nodes that the API server has, our own included", samples: one(({ status }) => status.api.nodes) },
  { name: "clusternet_peers", type: "gauge", labels: ["state"], help: "Peers that WireGuard has, by state (up, idle or down)", samples: peerCounts },
  { name: "clusternet_rejected_nodes", type: "gauge", labels: ["reason"], help: "Nodes that are no peers, by the first reason", samples: rejected },
  { name: "clusternet_conflicts", type: "gauge", labels: [], help: "Claims to a key or podCIDR that an older Node has", samples: one(conflicts) },
  { name: "clusternet_handshake_age_max_seconds", type: "gauge", unit: "seconds", labels: [], help: "Since the oldest of the peers' last handshakes; 0: there has been none", samples: one(({ status }) => Math.max(0, ...status.peers.map((peer) => peer.handshakeSeconds ?? 0))) },
  { name: "clusternet_last_sync_age_seconds", type: "gauge", unit: "seconds", labels: [], help: "Since the last list, event or bookmark of the API server; since the start where there was none", samples: one(syncAge) },
  { name: "clusternet_last_turn_age_seconds", type: "gauge", unit: "seconds", labels: [], help: "Since the end of the last turn; since the start where there was none", samples: one(({ status }) => status.turn?.agoSeconds ?? age(status)) },
  { name: "clusternet_turns_total", type: "counter", labels: ["scope"], help: "Turns, by how much of the kernel was read (full, network or peers)", samples: counted("turns", "scope", ["full", "network", "peers"]) },
  { name: "clusternet_failed_turns_total", type: "counter", labels: [], help: "Turns after which something was missing", samples: counted("failed-turns") },
  { name: "clusternet_turn_seconds", type: "histogram", unit: "seconds", labels: ["le"], help: "How long turns took", samples: turnTimes },
  { name: "clusternet_steps_total", type: "counter", labels: ["kind"], help: "Changes made to the kernel and the CNI configuration, by kind", samples: counted("steps", "kind", ["peer"]) },
  { name: "clusternet_drift_repairs_total", type: "counter", labels: ["kind"], help: "Those of them that put back what somebody else had changed", samples: counted("drift-repairs", "kind", ["peer"]) },
  { name: "clusternet_watch_restarts_total", type: "counter", labels: ["reason"], help: "Watches that ended, by reason: ended (by the server, as usual), silent, gone (history), refused, failed", samples: counted("watch-restarts", "reason", ["ended", "silent", "gone", "refused", "failed"]) },
  { name: "clusternet_relists_total", type: "counter", labels: [], help: "Complete lists after the first", samples: counted("relists") },
  { name: "clusternet_netlink_errors_total", type: "counter", labels: ["errno"], help: "Requests that the kernel refused, by error; some are answers (ESRCH: not there)", samples: counted("netlink-errors", "errno", ["EINVAL"]) },
  { name: "clusternet_dump_interrupted_total", type: "counter", labels: [], help: "Tables of the kernel that changed while they were read", samples: counted("dump-interrupted") },
  { name: "clusternet_enobufs_total", type: "counter", labels: [], help: "Times that the kernel had more events than room for them", samples: counted("enobufs") },
  { name: "clusternet_key_changes_total", type: "counter", labels: [], help: "Nodes that published another key than before", samples: counted("key-changes") },
  { name: "clusternet_log_lines_total", type: "counter", labels: ["level"], help: "Log lines, by level", samples: counted("log-lines", "level", ["info", "warn", "error"]) },
  { name: "process_cpu_seconds_total", type: "counter", unit: "seconds", labels: [], help: "Processor time of the agent", samples: one(({ process }) => process.cpuSeconds) },
  { name: "process_resident_memory_bytes", type: "gauge", unit: "bytes", labels: [], help: "Resident memory of the agent", samples: one(({ process }) => process.residentBytes) },
  { name: "process_virtual_memory_bytes", type: "gauge", unit: "bytes", labels: [], help: "Virtual memory of the agent", samples: one(({ process }) => process.virtualBytes) },
  { name: "process_open_fds", type: "gauge", labels: [], help: "Open file descriptors of the agent", samples: one(({ process }) => process.openFiles) },
  { name: "process_max_fds", type: "gauge", labels: [], help: "How many it may have", samples: one(({ process }) => process.maxFiles) },
  { name: "process_start_time_seconds", type: "gauge", unit: "seconds", labels: [], help: "When the agent was started, in seconds since 1970", samples: one(({ process }) => process.startedSeconds) },
];

export function* families(facts: MetricFacts): Generator<Family> {
  for (const { labels: _, samples, ...family } of METRICS) {
    yield { ...family, samples: samples(facts) };
  }
}

type Samples = Metric["samples"];

function one(value: (facts: MetricFacts) => number): Samples {
  return (facts) => [{ value: value(facts) }];
}

/** Labels that are named here are there from the start, as 0: rates need that. */
function counted(
  name: CounterName,
  label?: string,
  known: readonly string[] = [],
): Samples {
  return ({ counters }) => {
    const values = counters.of(name);
    if (label === undefined) return [{ value: values.get("") ?? 0 }];
    return [...new Set([...known, ...values.keys()])].map((key) => ({
      labels: { [label]: key },
      value: values.get(key) ?? 0,
    }));
  };
}

function ofPeers(
  value: (peer: PeerStatus, status: Status) => number,
): Samples {
  return ({ perPeer, status }) =>
    perPeer
      ? status.peers.map((peer) => ({
        labels: peerLabels(peer, status),
        value: value(peer, status),
      }))
      : [];
}

function peerStates({ perPeer, status }: MetricFacts): readonly Sample[] {
  if (!perPeer) return [];
  return status.peers.flatMap((peer) =>
    STATES.map((state) => ({
      labels: { ...peerLabels(peer, status), state },
      value: Number(peer.state === state),
    }))
  );
}

function peerLabels(
  { node, podCidrs, publicKey }: PeerStatus,
  { link }: Status,
): Readonly<Record<string, string>> {
  return {
    interface: link?.name ?? "",
    public_key: publicKey,
    allowed_ips: podCidrs.join(","),
    friendly_name: node ?? "",
  };
}

function handshakeAt(
  { handshakeSeconds }: PeerStatus,
  { time }: Status,
): number {
  if (handshakeSeconds === null) return 0;
  return Math.round(Date.parse(time) / 1_000 - handshakeSeconds);
}

function peerCounts({ status }: MetricFacts): readonly Sample[] {
  return STATES.map((state) => ({
    labels: { state },
    value: status.peers.filter((peer) => peer.state === state).length,
  }));
}

function rejected({ status }: MetricFacts): readonly Sample[] {
  const first = status.findings.filter(({ peer }) => !peer)
    .map(({ reasons }) => reasons[0]?.code);
  return Object.keys(REASONS).map((reason) => ({
    labels: { reason },
    value: first.filter((code) => code === reason).length,
  }));
}

function conflicts({ status }: MetricFacts): number {
  return status.findings.flatMap(({ reasons }) => reasons)
    .filter(({ code }) => code === "conflict").length;
}

function syncAge({ status }: MetricFacts): number {
  return status.api.silentSeconds ?? age(status);
}

function age({ startedAt, time }: Status): number {
  return Math.max(0, (Date.parse(time) - Date.parse(startedAt)) / 1_000);
}

function turnTimes({ counters }: MetricFacts): readonly Sample[] {
  const { atMost, count, sum } = counters.turnTimes;
  const buckets = TURN_BOUNDS.map((bound, at) => ({
    suffix: "_bucket",
    // OpenMetrics wants a canonical float, Prometheus takes it as well.
    labels: { le: Number.isInteger(bound) ? `${bound}.0` : String(bound) },
    value: atMost[at] ?? 0,
  }));
  return [
    ...buckets,
    { suffix: "_bucket", labels: { le: "+Inf" }, value: count },
    { suffix: "_sum", value: sum },
    { suffix: "_count", value: count },
  ];
}

/** The table of `docs/metrics.md`. */
export function metricsTable(): string {
  const rows = METRICS.map(({ help, labels, name, type }) => {
    const shown = labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${shown} | ${help} |`;
  });
  return [
    "| name | type | labels | meaning |",
    "| --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

import assert from "node:assert/strict";
import { Counters } from "../../mod/core/counters.ts";
import { processFigures } from "../../mod/core/process_figures.ts";
import type { PeerStatus, Status } from "../../mod/core/status.ts";
import { families, METRICS, metricsTable } from "../../mod/view/metrics.ts";
import { metricsText, wantedFormat } from "../../mod/view/metrics_text.ts";

const PEER: PeerStatus = {
  node: "n2",
  publicKey: "2".repeat(43) + "=",
  endpoint: "192.0.2.2:7838",
  podCidrs: ["10.0.2.0/24", "fd00::/64"],
  linkAddress: "10.0.2.1",
  handshakeSeconds: 61.2,
  receivedBytes: 12,
  sentBytes: 34,
  state: "up",
  probe: null,
};

function status(
  peers: readonly PeerStatus[],
  nodes = peers.length + 1,
): Status {
  return {
    ...{ schema: 1, version: "0.1.0" },
    ...{ time: "2026-11-30T01:00:00Z", startedAt: "2026-11-30T00:00:00Z" },
    health: { ready: false, text: "Degraded", problems: ["it rains"] },
    node: { name: "n1", uid: "u", internalIps: [], podCidrs: [] },
    key: { publicKey: "k", published: null, annotation: "a" },
    link: {
      ...{ name: "clusternet", backend: "kernel", up: true, mtu: 1420 },
      ...{ listenPort: 7838, addresses: [] },
    },
    clusterCidrs: [],
    api: { server: "s", synced: true, silentSeconds: 2.5, error: null, nodes },
    turn: null,
    peers,
    findings: [
      {
        node: "n3",
        peer: false,
        reasons: [
          { code: "no-key", text: "no key" },
          { code: "conflict", text: "a claim" },
        ],
      },
      { node: "n4", peer: true, reasons: [{ code: "too-wide", text: "wide" }] },
    ],
  };
}

const PROCESS = {
  ...{ residentBytes: 1, virtualBytes: 2, cpuSeconds: 0.5, openFiles: 9 },
  ...{ maxFiles: Infinity, startedSeconds: 1_700_000_000.25 },
};

function text(
  of: Status,
  { counters = new Counters(), perPeer = true, open = false } = {},
): string {
  const facts = { status: of, counters, process: PROCESS, perPeer };
  return metricsText(families(facts), open ? "openmetrics" : "prometheus");
}

Deno.test("a peer's series have the names and labels of the exporter that dashboards know", () => {
  const labels =
    `interface="clusternet",public_key="${PEER.publicKey}",allowed_ips="10.0.2.0/24,fd00::/64",friendly_name="n2"`;
  const lines = text(status([PEER])).split("\n");
  assert(lines.includes(`wireguard_sent_bytes_total{${labels}} 34`));
  assert(lines.includes(`wireguard_received_bytes_total{${labels}} 12`));
  const at = Date.UTC(2026, 10, 30, 1) / 1_000 - 61;
  assert(lines.includes(`wireguard_latest_handshake_seconds{${labels}} ${at}`));
  assert(lines.includes(`clusternet_peer_state{${labels},state="up"} 1`));
  assert(lines.includes(`clusternet_peer_state{${labels},state="down"} 0`));
  const never = text(status([{ ...PEER, handshakeSeconds: null }]));
  assert(
    never.includes(`wireguard_latest_handshake_seconds{${labels}} 0\n`),
  );
});

Deno.test("a Node's name cannot end its label, its line or the text", () => {
  const node = 'a"} 1\nclusternet_ready 1\n# EOF\\\ud800';
  const said = text(status([{ ...PEER, node }]), { open: true });
  assert.equal(
    said.match(/^clusternet_ready .*$/gm)?.join(),
    "clusternet_ready 0",
  );
  assert.equal(said.match(/^# EOF$/gm)?.length, 1);
  assert(
    said.includes(
      'friendly_name="a\\"} 1\\nclusternet_ready 1\\n# EOF\\\\\ufffd"}',
    ),
  );
});

Deno.test("without series for each peer their number does not depend on the cluster", () => {
  const many = Array.from({ length: 5_000 }, (_, at) => ({
    ...PEER,
    node: `n${at}`,
  }));
  const few = text(status([PEER]), { perPeer: false }).split("\n").length;
  const all = text(status(many), { perPeer: false }).split("\n");
  assert.equal(all.length, few);
  assert(all.includes('clusternet_peers{state="up"} 5000'));
});

Deno.test("Nodes that are no peers are told of by their first reason, and claims beside them", () => {
  const lines = text(status([])).split("\n");
  assert(lines.includes('clusternet_rejected_nodes{reason="no-key"} 1'));
  assert(lines.includes('clusternet_rejected_nodes{reason="too-wide"} 0'));
  assert(lines.includes('clusternet_rejected_nodes{reason="conflict"} 0'));
  assert(lines.includes("clusternet_conflicts 1"));
});

Deno.test("counters are 0 before the first time, and buckets hold those of the smaller ones", () => {
  const counters = new Counters();
  const before = text(status([]), { counters }).split("\n");
  assert(before.includes("clusternet_relists_total 0"));
  assert(before.includes('clusternet_turns_total{scope="full"} 0'));
  for (const seconds of [0.002, 0.04, 70]) counters.turnTook(seconds);
  counters.add("steps", "add-route");
  counters.add("steps", "add-route");
  const lines = text(status([]), { counters }).split("\n");
  assert(lines.includes('clusternet_steps_total{kind="add-route"} 2'));
  assert(lines.includes('clusternet_turn_seconds_bucket{le="0.001"} 0'));
  assert(lines.includes('clusternet_turn_seconds_bucket{le="0.0025"} 1'));
  assert(lines.includes('clusternet_turn_seconds_bucket{le="10.0"} 2'));
  assert(lines.includes('clusternet_turn_seconds_bucket{le="+Inf"} 3'));
  assert(lines.includes("clusternet_turn_seconds_count 3"));
});

Deno.test("OpenMetrics: counters without their ending, units, infos, and an end", () => {
  const said = text(status([PEER]), { open: true });
  assert.match(
    said,
    /^# TYPE wireguard_sent_bytes counter\n# UNIT wireguard_sent_bytes bytes\n# HELP wireguard_sent_bytes /m,
  );
  assert.match(said, /^# TYPE clusternet_build info$/m);
  assert.match(said, /^clusternet_build_info\{version="0\.1\.0"\} 1$/m);
  assert.match(said, /^process_max_fds \+Inf$/m);
  assert.match(said, /\n# EOF\n$/);
  assert.doesNotMatch(text(status([PEER])), /# (EOF|UNIT)/);
});

Deno.test("every unit ends its metric's name, and every name is there once", () => {
  for (const { name, type, unit } of METRICS) {
    const base = name.replace(/_(total|info)$/, "");
    assert(unit === undefined || base.endsWith(`_${unit}`), name);
    assert.equal(name.endsWith("_total"), type === "counter", name);
  }
  assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
});

Deno.test("wantedFormat() takes what the client likes best", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["", "prometheus"],
    ["*/*", "prometheus"],
    ["text/plain", "prometheus"],
    ["application/openmetrics-text", "openmetrics"],
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      "openmetrics",
    ],
    ["text/plain, application/openmetrics-text; q=0.5", "prometheus"],
    ["application/openmetrics-text;q=0", "prometheus"],
    ["application/openmetrics-text;version=2.0.0", "prometheus"],
    ["Application/OpenMetrics-Text; Version=1.0.0; Q=x", "prometheus"],
  ];
  for (const [accept, format] of rows) {
    assert.equal(wantedFormat(accept), format, accept);
  }
});

Deno.test("processFigures() reads what proc(5) says, whatever the process is called", () => {
  const fields = Array.from({ length: 50 }, (_, at) => String(at));
  const figures = processFigures({
    stat: `7 (a) b (c) S ${fields.slice(1).join(" ")}\n`,
    status: "Name:\tx\nVmSize:\t  200 kB\nVmRSS:\t  100 kB\nFDSize:\t64\n",
    limits: "Max open files            1024                 524288    files\n",
    systemStat: "cpu  1 2 3\nbtime 1700000000\n",
    openFiles: 5,
  });
  assert.deepEqual(figures, {
    ...{ residentBytes: 102_400, virtualBytes: 204_800, openFiles: 5 },
    ...{ cpuSeconds: 0.23, maxFiles: 1024, startedSeconds: 1_700_000_000.19 },
  });
});

Deno.test("docs/metrics.md has the table of the metrics", () => {
  const page = Deno.readTextFileSync(
    new URL("../../docs/metrics.md", import.meta.url),
  );
  const [, table = ""] =
    /<!-- metrics[^>]*-->\n\n([\s\S]*?)\n\n<!-- \/metrics -->/
      .exec(page) ?? [];
  const plain = (rows: string): readonly string[] =>
    rows.split("\n").map((row) => row.replaceAll(/ +\|/g, " |"))
      .filter((row) => !/^\| -/.test(row));
  assert.deepEqual(plain(table), plain(metricsTable()));
});

import assert from "node:assert/strict";
import { ClusterView } from "../../mod/core/cluster_view.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { PeerStatus, Status } from "../../mod/core/status.ts";
import { waitingFor } from "../../mod/core/waiting.ts";
import { clusterText } from "../../mod/view/cluster_text.ts";
import { isHealthy, statusText } from "../../mod/view/status_text.ts";
import { makePaint, PLAIN, widthOf } from "../../mod/view/text.ts";

const UP: PeerStatus = {
  node: "n2",
  publicKey: "dXA=",
  endpoint: "192.0.2.2:7838",
  podCidrs: ["10.0.2.0/24"],
  linkAddress: "10.0.2.0",
  handshakeSeconds: 75,
  receivedBytes: 1_536,
  sentBytes: 512,
  state: "up",
  probe: null,
};

const DOWN: PeerStatus = {
  ...UP,
  node: "n3",
  publicKey: "ZG93bg==",
  endpoint: "192.0.2.3:7838",
  podCidrs: ["10.0.3.0/24"],
  handshakeSeconds: null,
  state: "down",
  probe: {
    agoSeconds: 0,
    answered: false,
    roundTripMs: null,
    failure: "no answer within 3 s",
  },
};

const STATUS: Status = {
  schema: 1,
  version: "0.1.0",
  time: "2026-01-02T03:04:05Z",
  startedAt: "2026-01-02T01:04:05Z",
  health: { ready: true, text: "OK, 2 peers", problems: [] },
  node: {
    name: "n1",
    uid: "u1",
    internalIps: ["192.0.2.1"],
    podCidrs: ["10.0.1.0/24"],
  },
  key: { publicKey: "bjE=", published: "bjE=", annotation: "example.org/key" },
  link: {
    name: "clusternet",
    backend: "kernel",
    up: true,
    mtu: 1440,
    listenPort: 7838,
    addresses: ["10.0.1.0/32"],
  },
  clusterCidrs: ["10.0.0.0/16"],
  api: {
    server: "https://192.0.2.9:6443",
    synced: true,
    silentSeconds: 3,
    error: null,
    nodes: 4,
  },
  turn: {
    at: "2026-01-02T03:03:53Z",
    agoSeconds: 12,
    milliseconds: 34.6,
    scope: "full",
    applied: 1,
    problems: [],
  },
  peers: [UP, DOWN],
  findings: [{
    node: "n4",
    peer: false,
    reasons: [{ code: "no-key", text: "it has no annotation" }],
  }],
} as unknown as Status;

const WIDE = { width: undefined, paint: PLAIN };

Deno.test("statusText() shows the node, each peer in a row, and who is none", () => {
  assert.equal(
    statusText(STATUS, WIDE).join("\n"),
    `n1  not healthy
  agent     0.1.0, for 2 h
  says      OK, 2 peers
  addresses 192.0.2.1
  podCIDRs  10.0.1.0/24
  key       bjE=, published
  link      clusternet up, kernel, MTU 1440, UDP 7838, 10.0.1.0/32
  API       https://192.0.2.9:6443, 4 Nodes, heard 3 s ago
  turn      12 s ago (full), 1 step, 35 ms

Peers: 2, 1 up, 1 down
NODE  STATE  HANDSHAKE       ENDPOINT        PODCIDRS      SENT  RECEIVED  PROBE
n2    up     1 min 15 s ago  192.0.2.2:7838  10.0.2.0/24  512 B  1.50 KiB      -
n3    down   never           192.0.2.3:7838  10.0.3.0/24  512 B  1.50 KiB      -
! n3: no answer within 3 s

Not peers: 1
- n4: it has no annotation`,
  );
});

Deno.test("a peer that is down, or an agent that is not ready, is not healthy", () => {
  assert.equal(isHealthy(STATUS), false);
  assert.equal(isHealthy({ ...STATUS, peers: [UP] }), true);
  const health = { ready: false, text: "", problems: ["no"] };
  assert.equal(isHealthy({ ...STATUS, peers: [UP], health }), false);
});

Deno.test("no line is wider than the terminal, whatever names there are", () => {
  const long = { ...UP, node: `worker-${"x".repeat(80)}.example.org` };
  const wide = { ...DOWN, node: "節点".repeat(30) };
  const status = { ...STATUS, peers: [UP, long, wide] };
  for (let width = 24; width < 140; width++) {
    for (const line of statusText(status, { width, paint: PLAIN })) {
      assert.ok(widthOf(line) <= width, `${width}: ${line}`);
    }
  }
});

Deno.test("40 columns keep the Node, its state and the handshake", () => {
  const lines = statusText(STATUS, { width: 40, paint: PLAIN });
  assert.ok(lines.includes("NODE  STATE  HANDSHAKE"), lines.join("\n"));
  assert.ok(lines.includes("n2    up     1 min 15 s ago"));
});

Deno.test("what others wrote cannot steer the terminal", () => {
  const evil = "a\x1b[2J\r\nb\u202e";
  const reasons = [{ code: "no-key" as const, text: evil }];
  const status = {
    ...STATUS,
    peers: [{ ...UP, node: evil, endpoint: evil }],
    findings: [{ node: evil, peer: false, reasons }],
    health: { ...STATUS.health, problems: [evil] },
  };
  const text = statusText(status, WIDE).join("");
  assert.doesNotMatch(text, /[\p{Cc}\u202e]/u);
  assert.match(
    statusText(status, { ...WIDE, paint: makePaint(true) }).join(""),
    // deno-lint-ignore no-control-regex
    /\x1b\[32m/,
  );
});

const node = (name: string): NodeRecord => ({
  name,
  uid: name,
  created: "",
  publicKey: "k",
  internalIps: [],
  podCidrs: [],
});

Deno.test("ClusterView.breaks() tells both ends' reasons, and nothing of two that were not asked", () => {
  const view = new ClusterView({
    server: "https://192.0.2.9:6443",
    time: "2026-01-02T03:04:05Z",
    annotation: "example.org/key",
  }, ["n4", "n2", "n3", "n1"].map(node));
  view.add("n3", { kind: "none", why: "no pod" });
  view.add("n2", { kind: "none", why: "its pod is gone" });
  view.add("n1", { kind: "status", status: STATUS });
  view.add("n4", { kind: "none", why: "no pod" });
  const unasked = { word: "unasked", why: "no pod" };
  assert.deepEqual([...view.breaks()], [
    {
      a: "n1",
      b: "n3",
      aSays: { word: "down", why: "no answer within 3 s" },
      bSays: unasked,
    },
    {
      a: "n1",
      b: "n4",
      aSays: { word: "absent", why: "it has no annotation" },
      bSays: unasked,
    },
  ]);
  const { lines: text } = clusterText(view, { width: 40, paint: PLAIN });
  assert.ok(text.includes("! n1 and n3"), text.join("\n"));
  assert.ok(text.every((line) => widthOf(line) <= 40));
});

Deno.test("waitingFor() names what is missing, and is done when nothing is", () => {
  assert.equal(
    waitingFor(STATUS),
    "no peer yet: n4 (it has no annotation); no answer from n3",
  );
  const api = { ...STATUS.api, nodes: 2 };
  const stands = { ...STATUS, api, peers: [UP], findings: [] };
  assert.equal(waitingFor(stands), undefined);
  assert.equal(
    waitingFor({ ...stands, api: { ...api, nodes: 4 } }),
    "2 more Nodes to be peers",
  );
  assert.match(
    waitingFor({ ...stands, api: { ...api, synced: false } }) ?? "",
    /no complete list/,
  );
});

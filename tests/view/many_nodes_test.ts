/**
 * What a person sees of a cluster that is too large to be told of Node by Node.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ClusterView, digestOf } from "../../mod/core/cluster_view.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { NodeAnswer } from "../../mod/core/opinion.ts";
import type { PeerStatus, Status } from "../../mod/core/status.ts";
import { clusterText } from "../../mod/view/cluster_text.ts";
import { graphDot } from "../../mod/view/graph_dot.ts";
import { graphMermaid } from "../../mod/view/graph_mermaid.ts";
import { Mesh } from "../../mod/view/graph_mesh.ts";
import { graphSvg } from "../../mod/view/graph_svg.ts";
import { PLAIN, widthOf } from "../../mod/view/text.ts";
import { statusOf } from "../support/statuses.ts";

const NODES = 1_200;

/** Beyond these the process may hold so many bytes for each pair: four bytes of reasons, one of a word. */
const BYTES = 8_000_000;

const nameOf = (at: number): string => `n${String(at).padStart(4, "0")}`;

const NAMES = Array.from({ length: NODES }, (_, at) => nameOf(at + 1));

function record(name: string): NodeRecord {
  return {
    ...{ name, uid: name, created: "", publicKey: "k" },
    ...{ internalIps: [], podCidrs: ["10.0.1.0/24"] },
  };
}

const PROBE = {
  ...{ agoSeconds: 1, answered: false, roundTripMs: null },
  failure: "no answer within 3 s",
};

/** All know each other and themselves, which nobody asks for: one list is enough. */
const EVERYBODY: readonly PeerStatus[] = NAMES.map((node, at) => ({
  ...{ node, publicKey: `key ${at}`, endpoint: "192.0.2.1:7838" },
  ...{ podCidrs: [], linkAddress: null, handshakeSeconds: 12 },
  ...{ receivedBytes: 1, sentBytes: 1, state: "up", probe: null },
}));

const WELL: Status = { ...statusOf(2), peers: EVERYBODY, findings: [] };

/** n0400 is reached by nobody; it, and the 60 from n0500 on, could not be asked, for two reasons. */
function answerOf(at: number): NodeAnswer {
  if (at === 400 || (at >= 500 && at < 560)) {
    const place = `its pod clusternet/clusternet-${at}x`;
    const why = at % 2 === 0
      ? `${place} does not run: CrashLoopBackOff`
      : `${place} gives no answer within 20 s`;
    return { kind: "none", why };
  }
  const ready = at !== 700;
  const problems = ready ? [] : ["Cannot set up the link: it has no name"];
  const health = { ready, text: "", problems };
  const peers = EVERYBODY.map((peer, index): PeerStatus =>
    index + 1 === 400 ? { ...peer, state: "down", probe: PROBE } : peer
  );
  return { kind: "status", status: { ...WELL, health, peers } };
}

function viewOf(answer: (at: number) => NodeAnswer): ClusterView {
  const head = { server: "https://192.0.2.9:6443", time: "t", annotation: "a" };
  const view = new ClusterView(head, NAMES.map(record));
  for (const [at, name] of NAMES.entries()) view.add(name, answer(at + 1));
  return view;
}

Deno.test("clusterText() tells of many Nodes what is amiss, the worst first, and how much more there is", () => {
  const view = viewOf(answerOf);
  const { healthy, lines } = clusterText(view, { width: 80, paint: PLAIN });
  const text = lines.join("\n");
  assert.equal(healthy, false);
  assert.ok(lines.length < 300, `${lines.length} lines`);
  assert.ok(lines.every((line) => widthOf(line) <= 80));
  assert.match(text, /^1,200 Nodes: 1,138 ready, 1 not ready, 61 gave no an/m);
  assert.match(text, /^Versions: 0\.1\.0 \(1,139\)$/m);
  assert.match(text, /^NODE .*\nn0700 +no .*\nn0001 +yes /m);
  assert.match(text, /^… and 1,089 more Nodes with something amiss: -o json/m);
  assert.match(
    text,
    /^Not asked: 61\n- 31 \(n0400, n0500, .*, …\): its pod does not run:\n {2}CrashLoopBackOff\n- 30 \(n0501, .*gives no answer/m,
  );
  assert.match(text, /^Problems\n- n0700: Cannot set up the link/m);
  assert.match(text, /^Who cannot reach whom: 1,139\n.*: n0400 \(1,139\), n0/m);
  assert.match(text, /^! n0001 and n0400\n {2}n0001 says: down: no answer/m);
  assert.match(text, /^… and 1,089 more pairs: -o json has all$/m);
});

Deno.test("clusterText() of many Nodes with nothing amiss is six lines", () => {
  const view = viewOf(() => ({ kind: "status", status: WELL }));
  const { healthy, lines } = clusterText(view, { width: 80, paint: PLAIN });
  assert.equal(healthy, true);
  assert.deepEqual(lines, [
    "https://192.0.2.9:6443  healthy",
    "",
    "1,200 Nodes: 1,200 ready",
    "Versions: 0.1.0 (1,200)",
    "",
    "Every Node that was asked reaches every other.",
  ]);
});

Deno.test("ClusterView keeps five bytes of a pair where each agent has a reason for each other", () => {
  const before = Deno.memoryUsage();
  const view = viewOf(() => ({
    kind: "status",
    status: {
      ...WELL,
      peers: EVERYBODY.map((peer): PeerStatus => ({
        ...{ ...peer, state: "down", probe: { ...PROBE } },
      })),
    },
  }));
  const after = Deno.memoryUsage();
  const { count, some } = digestOf(view.breaks(), { most: 3 });
  assert.equal(count, NODES * (NODES - 1) / 2);
  assert.equal(some.length, 3);
  assert.ok(after.external - before.external < BYTES, `${after.external}`);
});

Deno.test("of a mesh of many Nodes the pictures stay small: a cell is several, and only what is amiss is a line", () => {
  const mesh = new Mesh(NAMES);
  for (const [at, name] of NAMES.entries()) mesh.add(name, answerOf(at + 1));
  const graph = mesh.graph({ title: "Mesh", time: "t" });
  const svg = graphSvg(graph);
  assert.ok(svg.length < 8_000_000, `${svg.length} bytes`);
  assert.match(
    svg,
    />A row says it of each column; a cell is the worst of 3 b/,
  );
  assert.match(
    svg,
    /<title>one of n0001 to n0003 says of one of n0400 to n0402: down</,
  );
  assert.match(svg, />! and 1119 more</);
  for (const text of [graphDot(graph), graphMermaid(graph)]) {
    assert.ok(text.length < 200_000, `${text.length} bytes`);
    assert.match(text, /broken ones: 500 of 717570 tunnels shown, 501 of 1200/);
  }
  assert.equal(graphDot(graph).match(/^ {2}n\d+ \[/gm)?.length, 501);
});

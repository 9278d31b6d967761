import assert from "node:assert/strict";
import { ClusterView } from "../../mod/core/cluster_view.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { NodeAnswer } from "../../mod/core/opinion.ts";
import type { Status } from "../../mod/core/status.ts";
import { waitingFor, waitingForAll } from "../../mod/core/waiting.ts";
import { statusOf } from "../support/statuses.ts";

/** Three Nodes, all peers of each other, and all up. */
const WELL = statusOf(3);

const DOWN: Status["peers"][number]["state"] = "down";

/** The peers of that status, that one down. */
function without(name: string, status: Status): Status {
  return {
    ...status,
    peers: status.peers.map((peer) =>
      peer.node === name ? { ...peer, state: DOWN } : peer
    ),
  };
}

Deno.test("waitingFor() has nothing to say where every Node is a peer that answers", () => {
  assert.equal(waitingFor(WELL), undefined);
});

Deno.test("waitingFor() names what is missing, each thing for itself", () => {
  const unsynced = { ...WELL.api, synced: false, error: "connection refused" };
  const finding = {
    node: "n4",
    peer: false,
    reasons: [{ code: "no-key", text: "it has no public key" }],
  } as const;
  const rows: readonly (readonly [Partial<Status>, string])[] = [
    [{ api: unsynced }, "no complete list of Nodes yet (connection refused)"],
    [
      { api: { ...WELL.api, nodes: 4 }, findings: [finding] },
      "no peer yet: n4 (it has no public key)",
    ],
    [{ api: { ...WELL.api, nodes: 5 } }, "2 more Nodes to be peers"],
    [{ peers: without("n2", WELL).peers }, "no answer from n2"],
    [
      { health: { ready: false, text: "busy", problems: ["no link"] } },
      "no link",
    ],
  ];
  for (const [change, sentence] of rows) {
    assert.equal(waitingFor({ ...WELL, ...change }), sentence);
  }
});

function record(name: string): NodeRecord {
  return {
    ...{ name, uid: name, created: "2026-01-01T00:00:00Z" },
    ...{ publicKey: name, internalIps: [], podCidrs: [] },
  };
}

/** n1 to n3 as each would say it, but for what is given. */
function viewOf(other: Readonly<Record<string, NodeAnswer>> = {}): ClusterView {
  const names = ["n1", "n2", "n3"];
  const view = new ClusterView(
    { server: "s", time: "t", annotation: "a" },
    names.map(record),
  );
  for (const name of names) {
    view.add(name, other[name] ?? { kind: "status", status: seenBy(name) });
  }
  return view;
}

/** As n1 sees it, with the names exchanged. */
function seenBy(name: string): Status {
  return {
    ...WELL,
    node: { ...WELL.node, name },
    peers: WELL.peers.map((peer) => ({
      ...peer,
      node: peer.node === name ? "n1" : peer.node,
    })),
  };
}

function answering(status: Status): NodeAnswer {
  return { kind: "status", status };
}

Deno.test("waitingForAll() has nothing to say where every agent is ready and reaches all others", () => {
  assert.equal(waitingForAll(viewOf()), undefined);
});

Deno.test("waitingForAll() names agents that give no answer, those that are not ready, and pairs", () => {
  const health = { ready: false, text: "", problems: ["no link", "no key"] };
  assert.equal(
    waitingForAll(viewOf({
      n2: { kind: "none", why: "its pod a/b does not run: Pending" },
      n3: answering({ ...seenBy("n3"), health }),
    })),
    "no answer from the agent of n2 (its pod a/b does not run: Pending); not ready: n3 (no link)",
  );
  const one = without("n2", seenBy("n1"));
  assert.equal(
    waitingForAll(viewOf({ n1: answering(one) })),
    "n1 and n2 do not reach each other",
  );
  assert.equal(
    waitingForAll(viewOf({ n1: answering(without("n3", one)) })),
    "2 pairs of Nodes do not reach each other (n1 and n2)",
  );
});

Deno.test("waitingForAll() waits for a peer that is down and belongs to no Node, too", () => {
  const [peer, ...rest] = WELL.peers;
  assert.ok(peer !== undefined);
  const stray = { ...peer, node: null, publicKey: "stray", state: DOWN };
  const status = { ...WELL, peers: [peer, ...rest, stray] };
  assert.equal(
    waitingForAll(viewOf({ n1: answering(status) })),
    "peers that are no Nodes are down: n1",
  );
});

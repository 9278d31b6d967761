import assert from "node:assert/strict";
import { SilentPeers } from "../../mod/core/silent_peers.ts";
import { NO_TRAFFIC, type PeerTraffic } from "../../mod/core/traffic.ts";
import { keyOf } from "../agent/bench.ts";

const KEY = keyOf(1);

function look(
  peers: SilentPeers,
  traffic: Partial<PeerTraffic>,
  nowMs = 10_000_000,
): number {
  return peers.look(new Map([[KEY, { ...NO_TRAFFIC, ...traffic }]]), nowMs)
    .length;
}

Deno.test("a peer that gets no answer time and again is silent, until a handshake", () => {
  const peers = new SilentPeers();
  const said = [148, 444, 740, 740, 740].map((sentBytes) =>
    look(peers, { sentBytes })
  );
  assert.deepEqual(said, [0, 0, 1, 1, 1]);
  assert.equal(look(peers, { sentBytes: 900, lastHandshakeMs: 9_990_000 }), 0);
});

Deno.test("a peer that nobody speaks to, or that has a session, is not silent", () => {
  const peers = new SilentPeers();
  for (let at = 0; at < 9; at++) {
    assert.equal(look(peers, { sentBytes: 0 }), 0);
  }
  for (let at = 0; at < 9; at++) {
    const lastHandshakeMs = 10_000_000 + at * 60_000 - 100_000;
    const nowMs = 10_000_000 + at * 60_000;
    const traffic = { sentBytes: 100 * at + 1, lastHandshakeMs };
    assert.equal(look(peers, traffic, nowMs), 0);
  }
  // An old session, and nothing sent since then.
  for (let at = 0; at < 9; at++) {
    assert.equal(look(peers, { sentBytes: 5_000, lastHandshakeMs: 1 }), 0);
  }
});

Deno.test("one packet without an answer is no silence, and a peer that is gone is forgotten", () => {
  const peers = new SilentPeers();
  const said = [148, 296, 296, 444, 444].map((sentBytes) =>
    look(peers, { sentBytes })
  );
  assert.deepEqual(said, [0, 0, 0, 0, 0]);
  for (const sentBytes of [600, 700, 800]) look(peers, { sentBytes });
  peers.look(new Map(), 0);
  assert.equal(look(peers, { sentBytes: 900 }), 0);
});

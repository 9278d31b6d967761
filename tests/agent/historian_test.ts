import assert from "node:assert/strict";
import { Historian } from "../../mod/agent/historian.ts";
import { Nodes } from "../../mod/agent/nodes.ts";
import { History } from "../../mod/core/history.ts";
import { PeerIndex } from "../../mod/core/peer_index.ts";
import { brokenStatus, statusOf } from "../support/statuses.ts";
import { CONFIG, keyOf, node } from "./bench.ts";

interface Scene {
  readonly historian: Historian;
  readonly nodes: Nodes;
  /** What has been told since the last call. */
  news(): readonly string[];
}

function scene(): Scene {
  const history = new History(() => 0);
  const historian = new Historian(history);
  const nodes: Nodes = new Nodes({
    index: new PeerIndex(CONFIG, keyOf(1)),
    ring: () => {},
    ringSelf: () => {},
    touched: (touched) => historian.touched(touched, nodes),
  });
  let seen = 0;
  return {
    historian,
    nodes,
    news: () => {
      const all = history.entries().map(({ text }) => text);
      return all.slice(seen, seen = all.length);
    },
  };
}

Deno.test("Historian tells of peers that come, go, and are none, with the reason", () => {
  const { nodes, news } = scene();
  nodes.replace([node(1), node(2)]);
  assert.deepEqual(news(), ["n2 is a peer: 192.168.0.2:7838, 10.0.2.0/24"]);
  nodes.upsert(node(3, { podCidrs: [] }));
  assert.match(news().join(), /n3.*podCIDR/);
  nodes.remove("n2");
  assert.deepEqual(news(), ["n2 is a peer no more"]);
  nodes.upsert(node(1));
  assert.deepEqual(news(), [], "nothing has changed");
});

Deno.test("Historian makes one entry of a list of many", () => {
  const { nodes, news } = scene();
  nodes.replace(Array.from({ length: 500 }, (_, at) =>
    node(at + 1, {
      podCidrs: [`10.0.${at % 250 + 1}.${at < 250 ? 0 : 128}/25`],
    })));
  assert.equal(news().length, 1);
});

Deno.test("Historian tells of who is down once, and of who is back", () => {
  const { historian, news } = scene();
  historian.told(statusOf(3).peers);
  assert.deepEqual(news(), []);
  historian.told(brokenStatus().peers);
  historian.told(brokenStatus().peers);
  assert.deepEqual(news(), ["n3 is down: no answer within 6 s"]);
  historian.told(statusOf(3).peers);
  assert.deepEqual(news(), ["n3 is up again"]);
});

Deno.test("Historian tells of health when it changes, not of each peer", () => {
  const { historian, news } = scene();
  const starting = false;
  historian.health({ ready: true, starting, text: "OK, 1 peer" });
  historian.health({ ready: true, starting, text: "OK, 2 peers" });
  historian.health({
    ready: false,
    starting,
    text: "Degraded: the port is in use",
  });
  assert.deepEqual(news(), [
    "Ready: OK, 1 peer",
    "Degraded: the port is in use",
  ]);
});

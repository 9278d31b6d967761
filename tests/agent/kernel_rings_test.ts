import assert from "node:assert/strict";
import { type KernelNews, ringFor } from "../../mod/agent/kernel_rings.ts";
import { RING } from "../../mod/agent/loop.ts";
import { parsePrefix } from "../../mod/core/address.ts";
import { ROUTE_PROTOCOL } from "../../mod/core/state.ts";

Deno.test("ringFor() reads as much again as an event can have changed", () => {
  const concern = {
    link: "clusternet",
    clusterCidrs: [parsePrefix("10.0.0.0/16")],
  };
  const route = (destination: string, protocol: number): KernelNews => ({
    kind: "route",
    destination: parsePrefix(destination),
    protocol,
  });
  const rows: [KernelNews, string | undefined][] = [
    [{ kind: "link", name: "clusternet" }, RING.link],
    [{ kind: "link", name: "eth0" }, RING.network],
    [{ kind: "address" }, RING.network],
    [{ kind: "forwarding" }, RING.network],
    [{ kind: "lost" }, RING.link],
    [{ kind: "table", name: "clusternet" }, RING.network],
    [{ kind: "table", name: "kube-proxy" }, undefined],
    [route("10.0.0.0/16", 3), RING.network],
    [route("10.9.0.0/24", ROUTE_PROTOCOL), RING.network],
    [route("0.0.0.0/0", 3), RING.network],
    [route("::/0", 9), RING.network],
    [route("10.0.1.7/32", 2), undefined], // a pod
    [route("192.168.0.0/24", 2), undefined],
  ];
  for (const [news, expected] of rows) {
    assert.equal(ringFor(news, concern), expected, JSON.stringify(news));
  }
});

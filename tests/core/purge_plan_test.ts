import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import {
  planPurge,
  purgeStepText,
  type Remains,
} from "../../mod/core/purge_plan.ts";
import type { Link, Route } from "../../mod/core/state.ts";

const NOTHING: Remains = {
  link: { name: "clusternet", found: null },
  routes: [],
  table: false,
  conflist: { file: "/etc/cni/net.d/10-clusternet.conflist", found: undefined },
  paths: [],
};

const LINK: Link = {
  kind: "wireguard",
  alias: "clusternet",
  mtu: 1420,
  up: true,
};

const ROUTE: Route = {
  destination: parsePrefix("10.0.0.0/16"),
  type: "unicast",
  device: "clusternet",
  source: undefined,
  metric: 0,
  protocol: 78,
};

function texts(remains: Partial<Remains>): readonly string[] {
  return planPurge({ ...NOTHING, ...remains }).steps.map(purgeStepText);
}

function kept(remains: Partial<Remains>): readonly string[] {
  return planPurge({ ...NOTHING, ...remains }).kept;
}

Deno.test("planPurge() has nothing to do where nothing is left", () => {
  assert.deepEqual(planPurge(NOTHING), { steps: [], kept: [] });
});

Deno.test("planPurge() takes away the way into the link before what catches the rest", () => {
  const worst: Route = { ...ROUTE, type: "unreachable", device: undefined };
  const steps = texts({
    link: { name: "clusternet", found: LINK },
    routes: [worst, ROUTE],
    conflist: { ...NOTHING.conflist, found: "ours" },
    table: true,
    paths: [{ path: "/run/clusternet-cni", kind: "tree" }],
  });
  assert.deepEqual(steps, [
    "rm /etc/cni/net.d/10-clusternet.conflist",
    "ip route del 10.0.0.0/16 dev clusternet proto 78",
    "ip link del clusternet",
    "ip route del unreachable 10.0.0.0/16 proto 78",
    "nft delete table inet clusternet",
    "rm -r /run/clusternet-cni",
  ]);
});

Deno.test("planPurge() removes a link by kind and alias alone", () => {
  const rows: readonly [Partial<Link>, boolean][] = [
    [{}, true],
    [{ kind: "tun" }, true],
    [{ kind: "dummy" }, false],
    [{ alias: "" }, false],
    [{ alias: "wg of somebody else" }, false],
  ];
  for (const [change, ours] of rows) {
    const link = { name: "clusternet", found: { ...LINK, ...change } };
    assert.equal(texts({ link }).length, ours ? 1 : 0, JSON.stringify(change));
    assert.equal(kept({ link }).length, ours ? 0 : 1, JSON.stringify(change));
  }
});

Deno.test("planPurge() leaves routes that do not lead into the link, by name", () => {
  for (
    const change of [{ device: "eth0" }, { type: "other" }] as const
  ) {
    const routes = [{ ...ROUTE, ...change }];
    assert.deepEqual(texts({ routes }), []);
    assert.match(
      kept({ routes })[0] ?? "",
      /^The route 10\.0\.0\.0\/16 .* stays/,
    );
  }
});

Deno.test("planPurge() leaves a conflist of somebody else's, by name", () => {
  const conflist = { ...NOTHING.conflist, found: { what: "a link to /x" } };
  assert.deepEqual(texts({ conflist }), []);
  assert.match(
    kept({ conflist })[0] ?? "",
    /stays: it is not ours \(a link to/,
  );
});

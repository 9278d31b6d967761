import assert from "node:assert/strict";
import { parseAddress } from "../../mod/core/address.ts";
import { advance } from "../../mod/core/advance.ts";
import { parseArguments } from "../../mod/core/arguments.ts";
import { desired } from "../../mod/core/desired.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { PeerIndex } from "../../mod/core/peer_index.ts";
import { type Plan, plan, type PlanContext } from "../../mod/core/plan.ts";
import { textsOf } from "../../mod/core/problem.ts";
import {
  type HostFacts,
  type Peer,
  type Route,
  ROUTE_PROTOCOL,
  type State,
} from "../../mod/core/state.ts";
import { stepText } from "../../mod/core/step_text.ts";
import { assertGolden } from "../support/golden.ts";
import { testKey, testNode } from "../support/nodes.ts";

const { config } = parseArguments(
  ["--cluster-cidr=10.0.0.0/16,fd00::/48"],
  {},
  { hostName: "node-1" },
);

const HOST: HostFacts = {
  addresses: [{
    link: "eth0",
    kind: "",
    address: parseAddress("192.0.2.1"),
    bits: 24,
    mtu: 1500,
  }],
  defaultMtu: 1500,
  gateways: [],
  raLinks: ["eth0"],
  ipv6: true,
};

const NOTHING: State = {
  link: null,
  device: null,
  addresses: [],
  routes: [],
  peers: new Map(),
  peersComplete: true,
  sysctls: new Map([
    ["net/ipv4/ip_forward", "0"],
    ["net/ipv6/conf/all/forwarding", "0"],
  ]),
  table: null,
  conflist: null,
};

function node(n: number, changes: Partial<NodeRecord> = {}): NodeRecord {
  return testNode(n, {
    internalIps: [`192.0.2.${n}`],
    podCidrs: [`10.0.${n}.0/24`, `fd00:0:0:${n}::/64`],
    ...changes,
  });
}

/** The agent in small: an index, what is observed, and one turn after the other. */
class Machine {
  readonly index = new PeerIndex(config, testKey(1));
  observed: State = NOTHING;

  constructor(nodes: readonly NodeRecord[]) {
    this.index.replace(nodes);
  }

  desired(): State {
    return desired({
      config,
      publicKey: testKey(1),
      self: this.index.self,
      listed: true,
      peers: this.index.peers(),
      host: HOST,
      linkKind: "wireguard",
    }).state;
  }

  plan(changes: Partial<PlanContext> = {}): Plan {
    return plan(this.desired(), this.observed, {
      link: config.interface,
      privateKeyFile: config.privateKeyFile,
      cniConfFile: config.cniConfFile,
      nodeOf: (key) => this.index.nodeOf(key),
      ...changes,
    });
  }

  /** The text of the steps, which are then taken. */
  turn(changes: Partial<PlanContext> = {}): string {
    const { steps, blocked } = this.plan(changes);
    assert.deepEqual(blocked, []);
    this.observed = advance(this.observed, steps, { publicKey: testKey(1) });
    assert.deepEqual(this.plan().steps, []);
    return steps.map((step) => `${stepText(step)}\n`).join("");
  }
}

Deno.test("plan() from nothing is the golden", () => {
  assertGolden("plan_from_nothing.txt", new Machine([node(1), node(2)]).turn());
});

Deno.test("plan() before our own Node is known is the golden", () => {
  assertGolden("plan_own_node_unknown.txt", new Machine([]).turn());
});

Deno.test("plan() when a Node joins, moves and goes is the golden", () => {
  const machine = new Machine([node(1), node(2)]);
  machine.turn();
  const changes = [
    [3, node(3)],
    [3, node(3, { internalIps: ["192.0.2.33"] })],
    [3, undefined],
  ] as const;
  const texts = changes.map(([n, changed]) => {
    const { keys } = machine.index.apply([{
      name: `node-${n}`,
      node: changed,
    }]);
    return machine.turn({ only: keys });
  });
  assertGolden("plan_node_joins_moves_goes.txt", texts.join(""));
});

Deno.test("plan() when a Node's key changes is the golden: one message", () => {
  const machine = new Machine([node(1), node(2), node(3)]);
  machine.turn();
  const { keys } = machine.index.apply([
    { name: "node-3", node: node(3, { publicKey: testKey(33) }) },
  ]);
  const text = machine.turn({ only: keys });
  assert.equal(text.trim().split("\n").length, 1);
  assertGolden("plan_key_changes.txt", text);
});

Deno.test("plan() after a restart knows a changed key by the prefixes that it held", () => {
  const before = new Machine([node(1), node(2), node(3)]);
  before.turn();
  const after = new Machine([
    node(1),
    node(2),
    node(3, { publicKey: testKey(33) }),
  ]);
  after.observed = before.observed;
  const [step, ...others] = after.plan().steps;
  assert.deepEqual(others, []);
  assert.ok(step?.kind === "peer" && step.change.kind === "set-peer");
  assert.equal(step.change.replaces, testKey(3));
});

Deno.test("plan() when a podCIDR moves to another Node is the golden: no hole", () => {
  const machine = new Machine([node(1), node(2), node(3)]);
  machine.turn();
  const { keys } = machine.index.apply([
    { name: "node-2", node: node(2, { podCidrs: ["10.0.3.0/24"] }) },
    { name: "node-3", node: node(3, { podCidrs: ["10.0.2.0/24"] }) },
  ]);
  assertGolden("plan_cidrs_swap.txt", machine.turn({ only: keys }));
});

Deno.test("plan() when our own Node gets other podCIDRs is the golden", () => {
  const machine = new Machine([node(1), node(2)]);
  machine.turn();
  machine.index.apply([
    {
      name: "node-1",
      node: node(1, {
        uid: "new",
        podCidrs: ["10.0.9.0/24", "fd00:0:0:9::/64"],
      }),
    },
  ]);
  assertGolden("plan_own_cidrs_change.txt", machine.turn());
});

Deno.test("plan() after drift by hand is the golden", () => {
  const machine = new Machine([node(1), node(2)]);
  machine.turn();
  const { observed } = machine;
  const peer = observed.peers?.get(testKey(2));
  assert.ok(peer && observed.link);
  const foreign: Peer = { ...peer, publicKey: testKey(66), allowedIps: [] };
  machine.observed = {
    ...observed,
    link: { ...observed.link, mtu: 1300, up: false },
    routes: observed.routes?.filter(({ type }) => type === "unreachable"),
    peers: new Map([
      [testKey(66), foreign],
      [testKey(2), {
        ...peer,
        endpoint: "198.51.100.7:9",
        allowedIps: peer.allowedIps.slice(1),
        presharedKey: true,
        keepaliveSeconds: 5,
      }],
    ]),
    sysctls: new Map(observed.sysctls).set("net/ipv4/ip_forward", "0"),
    table: observed.table && { ...observed.table, dormant: true },
  };
  assertGolden("plan_drift.txt", machine.turn());
});

Deno.test("plan() with nothing said, as when the agent stops, does nothing", () => {
  const machine = new Machine([node(1), node(2)]);
  machine.turn();
  const { observed } = machine;
  const context = {
    link: "clusternet",
    privateKeyFile: "",
    cniConfFile: "",
    nodeOf: () => undefined,
  };
  assert.deepEqual(plan({}, observed, context), { steps: [], blocked: [] });
});

Deno.test("plan() takes nothing down after a restart while the API server is away", () => {
  const before = new Machine([node(1), node(2)]);
  before.turn();
  const after = new Machine([]);
  after.observed = before.observed;
  assert.deepEqual(after.plan(), { steps: [], blocked: [] });
});

Deno.test("plan() leaves a foreign route alone, says how to remove it and writes no CNI configuration", () => {
  const machine = new Machine([node(1), node(2)]);
  const [unicast] =
    machine.desired().routes?.filter(({ type, metric }) =>
      type === "unicast" && metric === 0
    ) ?? [];
  assert.ok(unicast);
  const foreign: Route = {
    ...unicast,
    protocol: 3,
    device: "eth0",
    source: undefined,
  };
  machine.observed = { ...NOTHING, routes: [foreign] };
  const { steps, blocked } = machine.plan();
  assert.deepEqual(textsOf(blocked), [
    "A route to 10.0.0.0/16 by somebody else (protocol 3) is in the way: " +
    "ip route del 10.0.0.0/16 dev eth0 proto 3",
  ]);
  const kinds = steps.map(({ kind }) => kind);
  assert.ok(
    !kinds.includes("write-conflist") && !kinds.includes("remove-route"),
  );
  const routes = steps.filter((step) => step.kind === "add-route");
  assert.equal(routes.length, 3);
});

Deno.test("plan() minds a foreign route only where the kernel would take it before ours", () => {
  const machine = new Machine([node(1), node(2)]);
  machine.turn();
  const routes = machine.observed.routes ?? [];
  const foreign = (destination: string, metric: number): Route => ({
    destination: destination as Route["destination"],
    type: "unicast",
    device: "eth0",
    source: undefined,
    metric,
    protocol: 4,
  });
  const rows: [Route, boolean][] = [
    [foreign("10.0.0.0/16", 0), true],
    [foreign("10.0.0.0/16", 100), false],
    [foreign("fd00::/48", 256), true],
    [foreign("fd00::/48", 1024), true],
    [foreign("fd00::/48", 2000), false],
    [foreign("fd00::/48", 0xffff_ffff), true],
    [foreign("10.9.0.0/16", 0), false],
  ];
  for (const [route, blocks] of rows) {
    machine.observed = { ...machine.observed, routes: [...routes, route] };
    const { steps, blocked } = machine.plan();
    assert.deepEqual(steps, []);
    assert.equal(blocked.length, blocks ? 1 : 0, JSON.stringify(route));
  }
});

Deno.test("plan() touches nothing of a foreign link but keeps the dead ends and the table", () => {
  const machine = new Machine([node(1), node(2)]);
  const link = { kind: "dummy", alias: "", mtu: 1500, up: true };
  machine.observed = { ...NOTHING, link, device: null };
  const { steps, blocked } = machine.plan();
  assert.match(blocked[0]?.text ?? "", /is not of kind wireguard/);
  const table = steps.filter(({ kind }) => kind === "set-table");
  assert.equal(table.length, 1);
  for (const step of steps.filter(({ kind }) => kind !== "set-table")) {
    assert.ok(step.kind === "add-route" && step.route.type === "unreachable");
  }
  assert.equal(steps.length, 3);
});

Deno.test("plan() says how to start the userspace program where none runs", () => {
  const machine = new Machine([node(1)]);
  const wanted = machine.desired();
  const link = wanted.link && { ...wanted.link, kind: "tun" };
  const { blocked } = plan({ ...wanted, link }, NOTHING, {
    link: "clusternet",
    privateKeyFile: "",
    cniConfFile: "",
    nodeOf: () => undefined,
  });
  assert.match(
    textsOf(blocked).join(),
    /No userspace WireGuard holds the link clusternet: start one, as in `wireguard-go clusternet`/,
  );
});

Deno.test("plan() replaces a route of ours and removes what else is ours", () => {
  const machine = new Machine([node(1)]);
  machine.turn();
  const [first] = machine.observed.routes ?? [];
  assert.ok(first);
  const routes =
    machine.observed.routes?.map((route): Route =>
      route.metric === 0 ? { ...route, device: "eth0" } : route
    ) ?? [];
  const stale: Route = {
    ...first,
    destination: node(9).podCidrs[0] as Route["destination"],
  };
  const above: Route = {
    ...stale,
    type: "unicast",
    device: "clusternet",
    metric: 0,
  };
  const other: Route = { ...stale, protocol: ROUTE_PROTOCOL + 1 };
  const added = [stale, above, other];
  machine.observed = { ...machine.observed, routes: [...routes, ...added] };
  const texts = machine.plan().steps.map(stepText);
  assert.deepEqual(texts, [
    "ip route replace 10.0.0.0/16 dev clusternet src 10.0.1.1 proto 78",
    "ip route del 10.0.9.0/24 dev clusternet proto 78",
    "ip route del unreachable 10.0.9.0/24 proto 78 metric 4294967295",
  ]);
});

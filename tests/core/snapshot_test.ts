import assert from "node:assert/strict";
import { parseAddress, parsePrefix } from "../../mod/core/address.ts";
import { dryRun } from "../../mod/core/dry_run.ts";
import {
  parseSnapshot,
  type Snapshot,
  snapshotText,
} from "../../mod/core/snapshot.ts";
import type { State } from "../../mod/core/state.ts";
import { planText } from "../../mod/view/plan_text.ts";
import { CONFIG, node } from "../agent/bench.ts";
import { Random } from "../support/random.ts";
import { found, OWN_KEY } from "../support/random_states.ts";
import { testTable } from "../support/tables.ts";

function snapshot(random: Random): Snapshot {
  const nodes = Array.from(
    { length: random.below(8) },
    (_, at) =>
      node(at + 1, {
        publicKey:
          [undefined, OWN_KEY, node(at + 9).publicKey][random.below(3)],
        podCidrs: random.pick([[], [`10.0.${at}.0/24`], [
          "fd00:0:0:1::/64",
          "x",
        ]]),
        internalIps: random.pick([[], ["192.0.2.1", "2001:db8::1"]]),
      }),
  );
  const { privateKeyFile, cniConfFile, cniNetworkName } = CONFIG;
  return {
    schema: 1,
    version: "0.1.0",
    time: "2026-01-02T03:04:05.678Z",
    running: random.chance(0.5),
    config: {
      ...{ privateKeyFile, cniConfFile, cniNetworkName },
      nodeName: "n1",
      clusterCidrs: [parsePrefix("10.0.0.0/16"), parsePrefix("fd00::/48")],
      interface: random.pick(["clusternet", "a'b$(c)"]),
      listenPort: 7838,
      masquerade: random.chance(0.5),
      mtu: random.pick(["auto", 1500]),
    },
    publicKey: random.pick([null, OWN_KEY]),
    linkKind: random.pick(["wireguard", "tun"]),
    listed: random.chance(0.8),
    nodes,
    host: {
      addresses: [{
        link: "eth0.1",
        kind: "",
        address: parseAddress("192.0.2.1"),
        bits: 24,
        mtu: 1500,
      }],
      defaultMtu: [undefined, 1500][random.below(2)],
      gateways: [parseAddress("fe80::1")],
      raLinks: random.pick([[], ["eth0", "e;f"]]),
      ipv6: random.chance(0.7),
    },
    observed: observed(random),
  };
}

function observed(random: Random): State {
  const table = testTable("10.0.0.0/16", "10.0.1.0/24");
  const state: State = {
    ...found(random),
    table: random.pick([null, table, { ...table, dormant: true }]),
  };
  const keys = Object.keys(state).filter(() => random.chance(0.9));
  return Object.fromEntries(
    Object.entries(state).filter(([key]) => keys.includes(key)),
  );
}

Deno.test("parseSnapshot() gives what snapshotText() was given, and the same plan", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const before = snapshot(new Random(seed));
    const text = snapshotText(before);
    const after = parseSnapshot(text);
    assert.deepEqual(after, before, `seed ${seed}`);
    const run = dryRun(before);
    assert.deepEqual(dryRun(after), run, `seed ${seed}`);
    assert.equal(planText(dryRun(after)), planText(run), `seed ${seed}`);
  }
});

type Json = Record<string, unknown>;

const DAMAGES: Readonly<
  Record<string, readonly [(text: string) => string, RegExp]>
> = {
  "no JSON": [(text) => text.slice(0, -9), /^it is no JSON; is it whole\?$/],
  "another thing": [() => '{"kind":"Pod"}', /^it is no snapshot of/],
  "a list": [() => "[]", /^it is no snapshot of/],
  "another schema": [
    (text) => text.replace('"schema":1', '"schema":2'),
    /^it is of version "0\.1\.0" and schema 2, this program reads schema 1: use/,
  ],
  "a link's name that a shell would run": [
    changed((value) =>
      Object.assign(value.config as Json, { interface: "a b" })
    ),
    /^it is damaged at config\.interface: a link's name has/,
  ],
  "no cluster CIDR": [
    changed((value) =>
      Object.assign(value.config as Json, { clusterCidrs: [] })
    ),
    /^it is damaged at config\.clusterCidrs: /,
  ],
  "a key that is none": [
    changed((value) => Object.assign(value, { publicKey: "$(reboot)" })),
    /^it is damaged at publicKey: no public key$/,
  ],
  "no observation": [
    changed((value) => delete value.observed),
    /^it is damaged at observed: /,
  ],
};

function changed(change: (value: Json) => unknown): (text: string) => string {
  return (text) => {
    const value = JSON.parse(text);
    change(value);
    return JSON.stringify(value);
  };
}

for (const [what, [damage, sentence]] of Object.entries(DAMAGES)) {
  Deno.test(`parseSnapshot() refuses ${what} with one sentence`, () => {
    const text = damage(snapshotText(snapshot(new Random(1))));
    assert.throws(() => parseSnapshot(text), (error: Error) => {
      assert.ok(error instanceof SyntaxError);
      assert.match(error.message, sentence);
      return !error.message.includes("\n");
    });
  });
}

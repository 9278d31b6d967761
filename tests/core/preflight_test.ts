import assert from "node:assert/strict";
import { parseAddress, parsePrefix } from "../../mod/core/address.ts";
import { foreignLink, preflight } from "../../mod/core/preflight.ts";
import { textsOf } from "../../mod/core/problem.ts";
import type { HostAddress, HostFacts, Link } from "../../mod/core/state.ts";

const HOST: HostFacts = {
  addresses: [],
  defaultMtu: 1500,
  gateways: [],
  raLinks: [],
  ipv6: true,
};

const CIDRS = [parsePrefix("10.0.0.0/16"), parsePrefix("fd00::/48")];
const NOTHING = { internalIps: [], host: HOST, resolvers: [], apiServers: [] };

function on(link: string, changes: Partial<HostAddress>): HostFacts {
  const address = parseAddress("10.0.1.1");
  const one = { link, kind: "", address, bits: 24, mtu: 1500, ...changes };
  return { ...HOST, addresses: [one] };
}

Deno.test("preflight() refuses a cluster CIDR that holds what this machine needs", () => {
  const inside = [parseAddress("10.0.3.4")];
  const rows: [Partial<Parameters<typeof preflight>[1]>, RegExp][] = [
    [
      { internalIps: inside },
      /10\.0\.0\.0\/16: it holds 10\.0\.3\.4, this Node's InternalIP/,
    ],
    [{ apiServers: inside }, /the API server/],
    [{ apiServers: [parseAddress("fd00::1")] }, /fd00::\/48: it holds fd00::1/],
    [{ resolvers: inside }, /a name server/],
    [{ host: { ...HOST, gateways: inside } }, /the default gateway/],
    [{ host: on("eth0", {}) }, /an address of the link eth0/],
    [{ host: on("cni0", { kind: "bridge" }) }, /an address of the link cni0/],
  ];
  for (const [needed, sentence] of rows) {
    const sentences = textsOf(preflight(CIDRS, { ...NOTHING, ...needed }));
    assert.equal(sentences.length, 1);
    assert.match(sentences[0] ?? "", sentence);
    assert.match(sentences[0] ?? "", /with --cluster-cidr/);
  }
});

Deno.test("preflight() passes what lies outside, and the gateways of pods", () => {
  const needed = {
    internalIps: [parseAddress("192.0.2.1")],
    apiServers: [parseAddress("10.96.0.1")],
    resolvers: [parseAddress("127.0.0.53")],
    host: on("veth1234", { kind: "veth", bits: 32 }),
  };
  assert.deepEqual(preflight(CIDRS, needed), []);
});

Deno.test("preflight() names an address once", () => {
  const address = parseAddress("10.0.1.1");
  const needed = { ...NOTHING, internalIps: [address], host: on("eth0", {}) };
  assert.equal(preflight(CIDRS, needed).length, 1);
});

Deno.test("foreignLink() adopts ours and what could be ours, nothing else", () => {
  const ours: Link = {
    kind: "wireguard",
    alias: "clusternet",
    mtu: 1420,
    up: true,
  };
  assert.equal(foreignLink("clusternet", null, "wireguard"), undefined);
  assert.equal(foreignLink("clusternet", ours, "wireguard"), undefined);
  const bare = { ...ours, alias: "" };
  assert.equal(foreignLink("clusternet", bare, "wireguard"), undefined);
  const rows: [Link, RegExp][] = [
    [
      { ...ours, kind: "dummy" },
      /not of kind wireguard \(kind dummy\): remove it \(ip link del clusternet\)/,
    ],
    [{ ...ours, kind: "" }, /\(hardware\)/],
    [
      { ...ours, alias: "vpn" },
      /somebody else's \(alias "vpn"\): .*--interface/,
    ],
  ];
  for (const [link, sentence] of rows) {
    const found = foreignLink("clusternet", link, "wireguard");
    assert.match(found?.text ?? "", sentence);
  }
});

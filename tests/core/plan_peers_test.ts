import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import { planPeers } from "../../mod/core/plan_peers.ts";
import type { Peer } from "../../mod/core/state.ts";
import { peerChangeText } from "../../mod/core/step_text.ts";
import { testKey } from "../support/nodes.ts";

type Peers = ReadonlyMap<PublicKey, Peer>;

/** Peers by number, with their AllowedIPs. */
function peers(
  table: Readonly<Record<number, string>>,
  changes: Partial<Peer> = {},
): Peers {
  return new Map(
    Object.entries(table).map(([n, prefixes]) => [testKey(Number(n)), {
      publicKey: testKey(Number(n)),
      endpoint: "192.0.2.1:7838",
      allowedIps: prefixes.split(" ").filter(Boolean).map(parsePrefix).sort(),
      keepaliveSeconds: 0,
      presharedKey: false,
      ...changes,
    }]),
  );
}

/** The steps with `K1` for key number 1. */
function texts(
  wanted: Peers,
  found: Peers,
  complete = true,
): readonly string[] {
  const steps = planPeers(
    { peers: wanted },
    { peers: found, peersComplete: complete },
    {
      link: "clusternet",
      privateKeyFile: "",
      cniConfFile: "",
      nodeOf: (key) => key === testKey(99) ? undefined : "n",
    },
  );
  return steps.flatMap((step) => {
    if (step.kind !== "peer") return [];
    let text = peerChangeText(step.change).replace(/ #.*/, "");
    for (let n = 1; n < 100; n++) text = text.replaceAll(testKey(n), `K${n}`);
    return [text];
  });
}

Deno.test("planPeers() takes away first what nobody takes over, then moves the rest", () => {
  const found = peers({ 1: "10.0.0.0/23", 2: "10.0.4.0/24" });
  const wanted = peers({ 1: "10.0.4.0/24", 2: "10.0.0.0/24" });
  assert.deepEqual(texts(wanted, found), [
    "peer K1 allowed-ips -10.0.0.0/23",
    "peer K1 allowed-ips +10.0.4.0/24",
    "peer K2 allowed-ips +10.0.0.0/24",
  ]);
});

Deno.test("planPeers() has nothing to do for one whose prefix another is given", () => {
  const found = peers({ 1: "10.0.0.0/24 10.0.1.0/24", 2: "10.0.2.0/24" });
  const wanted = peers({ 1: "10.0.0.0/24", 2: "10.0.1.0/24 10.0.2.0/24" });
  assert.deepEqual(texts(wanted, found), ["peer K2 allowed-ips +10.0.1.0/24"]);
});

Deno.test("planPeers() frees what a successor does not take before any other is given a part of it", () => {
  const found = peers({
    1: "10.0.0.0/24 10.0.8.0/24",
    2: "10.0.1.0/24 10.0.9.0/24",
  });
  const wanted = peers({
    3: "10.0.0.0/24 10.0.9.0/25",
    4: "10.0.1.0/24 10.0.8.0/25",
  });
  assert.deepEqual(texts(wanted, found), [
    "peer K1 allowed-ips -10.0.8.0/24",
    "peer K2 allowed-ips -10.0.9.0/24",
    "peer K1 remove peer K3 endpoint 192.0.2.1:7838 allowed-ips +10.0.0.0/24,+10.0.9.0/25",
    "peer K2 remove peer K4 endpoint 192.0.2.1:7838 allowed-ips +10.0.1.0/24,+10.0.8.0/25",
  ]);
});

Deno.test("planPeers() lets only a new peer take the place of one", () => {
  const found = peers({ 1: "10.0.0.0/24", 2: "10.0.1.0/24" });
  const wanted = peers({ 1: "10.0.0.0/24 10.0.1.0/24" });
  assert.deepEqual(texts(wanted, found), [
    "peer K2 remove",
    "peer K1 allowed-ips +10.0.1.0/24",
  ]);
});

Deno.test("planPeers() lets a new peer take the place of one only", () => {
  const found = peers({ 1: "10.0.0.0/24", 2: "10.0.1.0/24" });
  const wanted = peers({ 3: "10.0.0.0/24 10.0.1.0/24" });
  assert.deepEqual(texts(wanted, found), [
    "peer K2 remove",
    "peer K1 remove peer K3 endpoint 192.0.2.1:7838 allowed-ips +10.0.0.0/24,+10.0.1.0/24",
  ]);
});

Deno.test("planPeers() after an interrupted dump adds and repairs, and leaves out what lies beside what stays", () => {
  const found = peers({ 1: "10.0.0.0/23", 99: "10.0.4.0/24" }, {
    presharedKey: true,
  });
  const wanted = peers({
    1: "10.0.8.0/24",
    2: "10.0.1.0/24 10.0.9.0/24",
    3: "10.0.4.0/25",
  });
  assert.deepEqual(texts(wanted, found, false), [
    "peer K1 preshared-key /dev/null allowed-ips +10.0.8.0/24",
    "peer K2 endpoint 192.0.2.1:7838 allowed-ips +10.0.9.0/24",
  ]);
});

Deno.test("planPeers() does nothing for the same peers, in whatever order", () => {
  const found = peers({ 1: "10.0.0.0/24", 2: "10.0.1.0/24 fd00::/64" });
  const wanted = new Map(
    [...found].reverse().map(([key, peer]) => [key, { ...peer }]),
  );
  assert.deepEqual(texts(wanted, found), []);
});

Deno.test("planPeers() leaves an endpoint alone that nothing is said about", () => {
  const found = peers({ 1: "10.0.0.0/24" });
  const wanted = peers({ 1: "10.0.0.0/24" }, { endpoint: undefined });
  assert.deepEqual(texts(wanted, found), []);
});

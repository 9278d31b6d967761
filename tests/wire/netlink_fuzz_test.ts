/**
 * What the decoders do with bytes that nobody meant, and what the encoders make
 * of random values. A seed is printed on failure; one that failed becomes a row.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  endpointText,
  makePrefix,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../mod/core/address.ts";
import { type PublicKey, publicKeyFromBytes } from "../../mod/core/key.ts";
import type { PeerChange, Route } from "../../mod/core/state.ts";
import { Attributes, Writer } from "../../mod/wire/attribute.ts";
import { decodeEntries } from "../../mod/wire/directory_entry.ts";
import { decodeEvent } from "../../mod/wire/event.ts";
import { decodeFamilyId } from "../../mod/wire/genetlink.ts";
import { decodeAddress, decodeAddressMarks } from "../../mod/wire/ifaddr.ts";
import { decodeLink } from "../../mod/wire/link.ts";
import { decodeNetconf } from "../../mod/wire/netconf.ts";
import {
  decodeAck,
  decodeMessages,
  encodeRequest,
  type Message,
} from "../../mod/wire/netlink.ts";
import {
  decodeChain,
  decodeGeneration,
  decodeRule,
  decodeTable,
  decodeTableEvent,
} from "../../mod/wire/nftables.ts";
import { decodeAnyRule, decodePolicyRule } from "../../mod/wire/policy_rule.ts";
import {
  addRoute,
  decodeRoute,
  decodeRouteMarks,
} from "../../mod/wire/route.ts";
import { decodeSockaddr, encodeSockaddr } from "../../mod/wire/sockaddr.ts";
import { decodeStatfs } from "../../mod/wire/statfs.ts";
import {
  decodeDevice,
  mergeDump,
  redactSecrets,
  setPeers,
} from "../../mod/wire/wireguard.ts";
import {
  batchChanges,
  MAX_ALLOWED_IPS,
  MAX_PEERS,
} from "../../mod/wire/wireguard_batch.ts";
import { loadGolden } from "../golden/load.ts";
import { Random } from "../support/random.ts";

const INPUTS = 20_000;

const DECODERS: readonly ((bytes: Uint8Array) => unknown)[] = [
  decodeLink,
  decodeAddress,
  decodeRoute,
  decodeNetconf,
  decodePolicyRule,
  decodeAnyRule,
  decodeRouteMarks,
  decodeAddressMarks,
  decodeEntries,
  decodeStatfs,
  decodeFamilyId,
  decodeSockaddr,
  (bytes) => mergeDump([decodeDevice(bytes)]),
  (bytes) => decodeMessages(bytes).map(decodeEvent),
  (bytes) => decodeMessages(bytes).map(decodeAck),
  redactSecrets,
  decodeTable,
  decodeChain,
  decodeRule,
  decodeGeneration,
  (bytes) => decodeMessages(bytes).map(decodeTableEvent),
];

/** Real messages, to be damaged: noise alone does not get far. */
const SEEDS: readonly Uint8Array[] = [
  ...[
    "ip link show cn0",
    "ip address show dev cn0",
    "ip -4 route show table all",
    "ip -6 route show table main",
    "ip rule show",
    "ip -6 rule show",
    "ip netconf show",
    "ip link set cn0 mtu 20",
  ].flatMap((command) => loadGolden("rtnetlink.txt")(command).received),
  ...loadGolden("wireguard.txt")("wg show wg0 dump").received,
  ...loadGolden("nftables.txt")("nft list table inet clusternet").received
    .flatMap(decodeMessages).map(({ payload }) => withHeader(payload)),
];

/** The message that this is the payload of. */
function withHeader({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset - 16, length + 16);
}

function damaged(random: Random): Uint8Array {
  const bytes = random.pick(SEEDS).slice();
  for (let flips = random.below(6); flips > 0; flips--) {
    bytes[random.below(bytes.length)] = random.pick([0, 1, 3, 4, 0xff, 0x80]);
  }
  const whole = random.chance(0.7);
  return bytes.subarray(
    random.chance(0.5) ? 0 : 16,
    whole ? bytes.length : random.below(bytes.length),
  );
}

Deno.test("decoders throw nothing but SyntaxError, whatever they are given", () => {
  const random = new Random(7838);
  for (let n = 0; n < INPUTS; n++) {
    const bytes = random.chance(0.3)
      ? random.bytes(random.below(96))
      : damaged(random);
    const decode = random.pick(DECODERS);
    try {
      decode(bytes);
    } catch (error) {
      if (error instanceof SyntaxError) continue;
      const hex = Array.from(bytes, (byte) => byte.toString(16)).join(" ");
      assert.fail(`seed ${random.seed}, input ${n}: ${error}; bytes ${hex}`);
    }
  }
});

Deno.test("decoders refuse what has the wrong length", () => {
  const rows: readonly [string, () => unknown][] = [
    ["a header cut short", () => decodeMessages(new Uint8Array(15))],
    ["a length of zero", () => decodeMessages(new Uint8Array(16))],
    [
      "an attribute longer than what is left",
      () => new Attributes(Uint8Array.of(9, 0, 1, 0, 0, 0, 0, 0)),
    ],
    [
      "an attribute shorter than its header",
      () => new Attributes(Uint8Array.of(3, 0, 1, 0)),
    ],
    [
      "a number of another size",
      () => new Attributes(Uint8Array.of(6, 0, 1, 0, 0, 0)).u32(1),
    ],
    ["a link without its header", () => decodeLink(new Uint8Array(15))],
    ["an acknowledgement without number", () => decodeAck(ack(3))],
  ];
  for (const [what, decode] of rows) {
    assert.throws(decode, SyntaxError, what);
  }
});

function ack(length: number): Message {
  const payload = new Uint8Array(length);
  return { type: 2, flags: 0, sequence: 1, port: 1, payload };
}

Deno.test("Attributes skips what is unknown, takes the last of equals", () => {
  const out = new Writer(4).u8(1, 7).u16(2, 300).u32(1000, 5).u8(1, 9)
    .string(3, "clusternet").nest(4, (inner) => inner.u8(1, 1));
  const read = new Attributes(out.finish());
  assert.deepEqual(read.types, [1, 2, 1000, 1, 3, 4]);
  assert.equal(read.u8(1), 9);
  assert.equal(read.u16(2), 300);
  assert.equal(read.string(3), "clusternet");
  assert.equal(read.nest(4)?.u8(1), 1);
  assert.equal(read.u32(5), undefined);
  assert.deepEqual(read.list(6), []);
});

Deno.test("Writer refuses a nest whose length would wrap", () => {
  const bytes = new Uint8Array(40_000);
  assert.throws(
    () => new Writer().nest(1, (out) => out.bytes(1, bytes).bytes(2, bytes)),
    RangeError,
  );
});

Deno.test("encodeSockaddr() and decodeSockaddr() are each other's reverse", () => {
  const random = new Random(1);
  for (let n = 0; n < 500; n++) {
    const text = endpointText(
      parseAddress(
        random.chance(0.5)
          ? random.bytes(4).join(".")
          : `2001:db8:${random.below(65536).toString(16)}::${n.toString(16)}`,
      ),
      random.below(65536),
    );
    assert.equal(decodeSockaddr(encodeSockaddr(text)), text);
  }
  for (const bad of ["", "192.0.2.1", "192.0.2.1:65536", "[::1]", "a:1"]) {
    assert.throws(() => encodeSockaddr(bad), SyntaxError, bad);
  }
});

Deno.test("addRoute() is read back by decodeRoute()", () => {
  const random = new Random(2);
  for (let n = 0; n < 500; n++) {
    const unicast = random.chance(0.5);
    const six = random.chance(0.5);
    const route: Route = {
      destination: makePrefix(
        random.bytes(six ? 16 : 4),
        random.below(six ? 129 : 33),
      ),
      type: unicast ? "unicast" : "unreachable",
      device: unicast ? "cn0" : undefined,
      source: undefined,
      metric: 1 + random.below(0xffff_fffe),
      protocol: random.below(256),
    };
    const index = unicast ? 1 + random.below(1000) : undefined;
    const request = addRoute(route, { index, replace: random.chance(0.5) });
    const [message] = decodeMessages(encodeRequest(request, n));
    const { device: _, ...expected } = route;
    assert.deepEqual(decodeRoute(message?.payload ?? new Uint8Array()), {
      ...expected,
      table: 254,
      cloned: false,
      hops: index === undefined ? [] : [{ index, gateway: undefined }],
    });
  }
});

const SPARE = publicKeyFromBytes(new Uint8Array(32).fill(0xaa));

function randomPrefix(random: Random): Prefix {
  return random.chance(0.5)
    ? parsePrefix(`10.${random.below(256)}.${random.below(256)}.0/24`)
    : parsePrefix(`fd00:${random.below(65536).toString(16)}::/64`);
}

function randomChange(random: Random, n: number): PeerChange {
  const publicKey = publicKeyFromBytes(random.bytes(32));
  if (random.chance(0.2)) {
    return { kind: "remove-peer", publicKey, reason: "test" };
  }
  const many = random.chance(0.02) ? 4000 : 4;
  const some = (): readonly Prefix[] =>
    Array.from({ length: random.below(many) }, () => randomPrefix(random));
  return {
    kind: "set-peer",
    publicKey,
    create: random.chance(0.5),
    endpoint: random.chance(0.5) ? `192.0.2.${n & 255}:7838` : undefined,
    addAllowedIps: some(),
    removeAllowedIps: random.chance(0.2) ? some() : [],
    keepaliveSeconds: random.chance(0.5) ? random.below(65536) : undefined,
    clearPresharedKey: random.chance(0.2),
    replaces: random.chance(0.2)
      ? publicKeyFromBytes(random.bytes(32))
      : undefined,
    node: `n${n}`,
  };
}

for (const flag of [true, false]) {
  const how = flag ? "by flag" : "by a spare peer";
  Deno.test(`batchChanges() keeps the limits and every change, removing ${how}`, () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = new Random(seed);
      const changes = Array.from(
        { length: random.below(800) },
        (_, n) => randomChange(random, n),
      );
      const messages = batchChanges(changes, { flag, spare: SPARE });
      const note = `seed ${seed}`;
      const successors = new Map(
        changes.flatMap((change) =>
          change.kind === "set-peer" && change.replaces !== undefined
            ? [[change.replaces, change.publicKey]]
            : []
        ),
      );
      for (const entries of messages) {
        const ips = entries.flatMap((entry) => entry.allowedIps ?? []);
        assert(entries.length <= MAX_PEERS, note);
        assert(ips.length <= MAX_ALLOWED_IPS, note);
        const request = setPeers(32, "clusternet", { entries });
        assert(encodeRequest(request, 1).length < 65_535, note);
        checkTogether(entries.map((it) => it.publicKey), successors, note);
        assert.notEqual(
          entries.filter((it) => it.publicKey === SPARE).length % 2,
          1,
          `${note}: a spare peer was left for another message`,
        );
      }
      checkUnion(messages.flat(), changes, note);
    }
  });
}

/** Whoever is replaced goes in the message of the successor, directly before. */
function checkTogether(
  keys: readonly PublicKey[],
  successors: ReadonlyMap<PublicKey, PublicKey>,
  note: string,
): void {
  keys.forEach((key, n) => {
    const successor = successors.get(key);
    if (successor !== undefined) assert.equal(keys[n + 1], successor, note);
  });
}

type Entries = ReturnType<typeof batchChanges>[number];

function checkUnion(
  entries: Entries,
  changes: readonly PeerChange[],
  note: string,
): void {
  const added = new Map<PublicKey, Prefix[]>();
  const removed: Prefix[] = [];
  for (const { publicKey, allowedIps = [], removing = false } of entries) {
    if (removing || publicKey === SPARE) removed.push(...allowedIps);
    else added.set(publicKey, [...added.get(publicKey) ?? [], ...allowedIps]);
  }
  const expected: Prefix[] = [];
  for (const change of changes) {
    assert(added.has(change.publicKey), note);
    if (change.kind !== "set-peer") continue;
    assert.deepEqual(added.get(change.publicKey), change.addAllowedIps, note);
    expected.push(...change.removeAllowedIps);
  }
  assert.deepEqual(removed, expected, note);
}

Deno.test("5,000 peers go in 17 messages", () => {
  const random = new Random(5);
  const changes = Array.from({ length: 5000 }, (_, n): PeerChange => ({
    ...randomChange(new Random(1), n),
    kind: "set-peer",
    publicKey: publicKeyFromBytes(random.bytes(32)),
    create: true,
    endpoint: "192.0.2.1:7838",
    addAllowedIps: [parsePrefix("10.0.1.0/24")],
    removeAllowedIps: [],
    keepaliveSeconds: 0,
    clearPresharedKey: false,
    replaces: undefined,
    node: "",
  }));
  assert.equal(batchChanges(changes, { flag: true, spare: SPARE }).length, 17);
  assert.deepEqual(batchChanges([], { flag: true, spare: SPARE }), []);
});

Deno.test("mergeDump() gives the same result wherever the messages are cut", () => {
  const random = new Random(9);
  const peers = Array.from({ length: 20 }, () => ({
    publicKey: publicKeyFromBytes(random.bytes(32)),
    endpoint: "192.0.2.1:7838",
    allowedIps: [
      ...new Set(
        Array.from({ length: random.below(40) }, () => randomPrefix(random)),
      ),
    ].sort(),
    keepaliveSeconds: 25,
    presharedKey: random.chance(0.5),
  }));
  const device = { publicKey: undefined, listenPort: 7838 };
  const whole = mergeDump([{ ...device, peers }]);
  for (let round = 0; round < 200; round++) {
    const parts = peers.flatMap((peer) => {
      const cut = random.below(peer.allowedIps.length + 1);
      const rest = peer.allowedIps.slice(cut);
      return [
        {
          ...device,
          peers: [{ ...peer, allowedIps: peer.allowedIps.slice(0, cut) }],
        },
        // As the kernel continues: the key, and more AllowedIPs.
        {
          publicKey: undefined,
          listenPort: undefined,
          peers: rest.length === 0 ? [] : [{
            publicKey: peer.publicKey,
            endpoint: undefined,
            allowedIps: rest,
            keepaliveSeconds: 0,
            presharedKey: false,
          }],
        },
      ];
    });
    assert.deepEqual(mergeDump(parts), whole);
  }
  assert.deepEqual([...whole.peers.values()], peers);
});

/**
 * WireGuard's messages against the bytes of wg(8) and of the kernel.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import {
  derivePublicKey,
  PrivateKey,
  publicKeyFromBytes,
} from "../../mod/core/key.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import {
  decodeMessages,
  encodeRequest,
  type Message,
  NLMSG_DONE,
  type Request,
} from "../../mod/wire/netlink.ts";
import {
  decodeDevice,
  getDevice,
  mergeDump,
  redactSecrets,
  setListenPort,
  setPeers,
  setPrivateKey,
  WGPEER_F_REMOVE_ME,
} from "../../mod/wire/wireguard.ts";
import { hexRows } from "../../mod/wire/hex_dump.ts";
import { loadGolden } from "../golden/load.ts";

const golden = loadGolden("wireguard.txt");

/** Of the guest in which it was captured. */
const FAMILY = 0x20;

/** wg(8) replaces, we add: include/uapi/linux/wireguard.h */
const WGPEER_F_REPLACE_ALLOWEDIPS = 2;

const [A, B, C] = ["a", "b", "c"].map(keyOf) as [
  PublicKey,
  PublicKey,
  PublicKey,
];
const PRIVATE = PrivateKey.fromBytes(
  new Uint8Array(32).fill("P".charCodeAt(0)),
);

function keyOf(letter: string): PublicKey {
  return publicKeyFromBytes(new Uint8Array(32).fill(letter.charCodeAt(0)));
}

const ALLOWED = [parsePrefix("10.0.1.0/24"), parsePrefix("fd00:0:0:1::/64")];

const SAME: Readonly<Record<string, Request>> = {
  "wg set wg0 private-key /tmp/private": setPrivateKey(FAMILY, "wg0", {
    key: PRIVATE,
  }),
  "wg set wg0 listen-port 7838": setListenPort(FAMILY, "wg0", { port: 7838 }),
  [
    `wg set wg0 peer ${A} endpoint 192.0.2.1:7838 persistent-keepalive 25 ` +
    "allowed-ips 10.0.1.0/24,fd00:0:0:1::/64"
  ]: setPeers(FAMILY, "wg0", {
    entries: [{
      publicKey: A,
      flags: WGPEER_F_REPLACE_ALLOWEDIPS,
      endpoint: "192.0.2.1:7838",
      keepaliveSeconds: 25,
      allowedIps: ALLOWED,
    }],
  }),
  [`wg set wg0 peer ${C} preshared-key /tmp/nothing`]: setPeers(FAMILY, "wg0", {
    entries: [{ publicKey: C, flags: 0, clearPresharedKey: true }],
  }),
  "wg show wg0 dump": getDevice(FAMILY, "wg0"),
  [`wg set wg0 peer ${A} remove peer ${B} allowed-ips 10.0.2.0/24`]: setPeers(
    FAMILY,
    "wg0",
    {
      entries: [
        { publicKey: A, flags: WGPEER_F_REMOVE_ME },
        {
          publicKey: B,
          flags: WGPEER_F_REPLACE_ALLOWEDIPS,
          allowedIps: [parsePrefix("10.0.2.0/24")],
        },
      ],
    },
  ),
};

for (const [command, request] of Object.entries(SAME)) {
  Deno.test(`the same bytes as: ${command}`, () => {
    const expected = sentBy(command);
    const [ours] = decodeMessages(encodeRequest(request, expected.sequence));
    assert.deepEqual(ours, expected);
  });
}

Deno.test("decodeDevice() reads the kernel's dump", async () => {
  const { device, peers } = mergeDump(
    dump().map(({ payload }) => decodeDevice(payload)),
  );
  assert.deepEqual(device, {
    publicKey: await derivePublicKey(PRIVATE),
    listenPort: 7838,
  });
  assert.deepEqual([...peers.values()], [
    {
      publicKey: A,
      endpoint: "192.0.2.1:7838",
      allowedIps: ALLOWED,
      keepaliveSeconds: 25,
      presharedKey: false,
    },
    {
      publicKey: B,
      endpoint: "[2001:db8::2]:7838",
      allowedIps: [],
      keepaliveSeconds: 0,
      presharedKey: true,
    },
    {
      publicKey: C,
      endpoint: undefined,
      allowedIps: [],
      keepaliveSeconds: 0,
      presharedKey: false,
    },
  ]);
});

Deno.test("redactSecrets() leaves no key that is secret in what is printed", () => {
  const secrets = [
    ...golden("wg set wg0 private-key /tmp/private").sent,
    ...golden("wg show wg0 dump").received,
    ...golden(
      `wg set wg0 peer ${B} endpoint [2001:db8::2]:7838 preshared-key /tmp/preshared`,
    )
      .sent,
  ];
  for (const datagram of secrets) {
    const before = hexRows(datagram).replaceAll(/\s|^.{4} {2}/gm, "");
    assert.match(before, /(50){16}|(53){16}/);
    const text = hexRows(redactSecrets(datagram)).replaceAll(
      /\s|^.{4} {2}/gm,
      "",
    );
    assert.doesNotMatch(text, /(50){4}|(53){4}/);
    assert.match(text, /(ee){32}/);
    assert.equal(text.length, before.length);
  }
  assert.equal(redactSecrets(Uint8Array.of(1, 2, 3)).length, 0);
});

function sentBy(command: string): Message {
  const [message] = decodeMessages(
    golden(command).sent.at(-1) ?? Uint8Array.of(),
  );
  assert(message !== undefined, command);
  return message;
}

function dump(): readonly Message[] {
  return golden("wg show wg0 dump").received.flatMap(decodeMessages)
    .filter(({ type }) => type !== NLMSG_DONE);
}

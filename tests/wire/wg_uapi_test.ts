/**
 * The texts here are what wg(8) 1.0.20210914 and wireguard-go 0.0.20220316
 * said to each other, seen by
 * `strace -e trace=write,read wg set cn0 private-key K listen-port 7838 peer …`
 * and by reading the answer to `get=1`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import {
  derivePublicKey,
  parsePublicKey,
  PrivateKey,
} from "../../mod/core/key.ts";
import type { PeerChange } from "../../mod/core/state.ts";
import {
  listenPortRequest,
  parseAnswer,
  peersRequest,
  privateKeyRequest,
} from "../../mod/wire/wg_uapi.ts";
import { Random } from "../support/random.ts";
import { setPeer } from "../contract/wireguard_support.ts";

/** RFC 7748, section 6.1 */
const ALICE = PrivateKey.parse("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=");
const ALICE_PUBLIC = parsePublicKey(
  "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
);
const BOB = parsePublicKey("3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=");
const BOB_HEX =
  "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
const ALICE_HEX =
  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
/** `printf 'clusternet: a peer to throw away' | sha256sum` */
const NOBODY_HEX =
  "6a434015e51873167ebfeb26de7d373da2715a22278e0493ffc8074db984d40e";

const V4 = parsePrefix("10.0.7.0/24");
const V6 = parsePrefix("fd00:0:0:7::/64");

type SetPeer = PeerChange & { readonly kind: "set-peer" };

function change(fields: Partial<SetPeer> = {}): SetPeer {
  return setPeer(BOB, fields);
}

Deno.test("device requests are as wg(8) writes them", () => {
  // wg(8) hands the key over as it stands in its file; ours is clamped (77 → 70).
  assert.equal(
    privateKeyRequest(ALICE),
    "set=1\nprivate_key=70076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c6a\n\n",
  );
  assert.equal(listenPortRequest(7838), "set=1\nlisten_port=7838\n\n");
});

Deno.test("peersRequest() writes peers as wg(8) does, but never replaces their AllowedIPs", () => {
  const text = peersRequest([
    change({
      endpoint: "192.0.2.7:7838",
      addAllowedIps: [V4, V6],
      keepaliveSeconds: 25,
    }),
  ]);
  assert.equal(
    text,
    `set=1
public_key=${BOB_HEX}
endpoint=192.0.2.7:7838
persistent_keepalive_interval=25
allowed_ip=10.0.7.0/24
allowed_ip=fd00:0:0:7::/64

`,
  );
});

Deno.test("peersRequest() puts `replaces` directly before its successor", () => {
  const text = peersRequest([
    change({
      publicKey: ALICE_PUBLIC,
      replaces: BOB,
      endpoint: "[2001:db8::7]:7838",
    }),
  ]);
  assert.equal(
    text,
    `set=1
public_key=${BOB_HEX}
remove=true
public_key=${ALICE_HEX}
endpoint=[2001:db8::7]:7838

`,
  );
});

Deno.test("peersRequest() says update_only before everything else about a peer", () => {
  const text = peersRequest([
    change({ create: false, clearPresharedKey: true, keepaliveSeconds: 0 }),
    { kind: "remove-peer", publicKey: ALICE_PUBLIC, reason: "test" },
  ]);
  assert.equal(
    text,
    `set=1
public_key=${BOB_HEX}
update_only=true
preshared_key=${"0".repeat(64)}
persistent_keepalive_interval=0
public_key=${ALICE_HEX}
remove=true

`,
  );
});

Deno.test("peersRequest() removes AllowedIPs by way of a peer to throw away", () => {
  const text = peersRequest([
    change({ create: false, removeAllowedIps: [V4, V6] }),
  ]);
  assert.equal(
    text,
    `set=1
public_key=${BOB_HEX}
update_only=true
public_key=${NOBODY_HEX}
allowed_ip=10.0.7.0/24
allowed_ip=fd00:0:0:7::/64
public_key=${NOBODY_HEX}
remove=true

`,
  );
});

const WIREGUARD_GO = `\
private_key=70076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c6a
listen_port=7838
public_key=${BOB_HEX}
preshared_key=1690b2870b3d731c16a15e3110bb5f26f8c937ecd05513c84a59515a07a8a551
protocol_version=1
endpoint=192.0.2.7:7838
last_handshake_time_sec=0
last_handshake_time_nsec=0
tx_bytes=0
rx_bytes=0
persistent_keepalive_interval=25
allowed_ip=fd00:0:0:7::/64
allowed_ip=10.0.7.0/24
errno=0

`;

Deno.test("parseAnswer() reads what wireguard-go says", async () => {
  const { errno, device } = parseAnswer(WIREGUARD_GO);
  assert.equal(errno, 0);
  assert(device.privateKey !== null);
  assert.equal(await derivePublicKey(device.privateKey), ALICE_PUBLIC);
  assert.equal(device.listenPort, 7838);
  assert.deepEqual([...device.peers.values()], [{
    publicKey: BOB,
    endpoint: "192.0.2.7:7838",
    allowedIps: [V4, V6],
    keepaliveSeconds: 25,
    presharedKey: true,
  }]);
});

Deno.test("parseAnswer() reads boringtun's own_public_key", () => {
  const { device } = parseAnswer(
    `own_public_key=${ALICE_HEX}\nlisten_port=1\nerrno=0\n\n`,
  );
  assert.equal(device.publicKey, ALICE_PUBLIC);
  assert.equal(device.privateKey, null);
});

Deno.test("parseAnswer() makes errno positive, and a preshared key of zeros none", () => {
  assert.equal(parseAnswer("errno=-98\n\n").errno, 98);
  const { device } = parseAnswer(
    `public_key=${BOB_HEX}\npreshared_key=${"0".repeat(64)}\nerrno=0\n\n`,
  );
  assert.equal(device.peers.get(BOB)?.presharedKey, false);
});

Deno.test("parseAnswer() keeps what others set, however odd, so that it can be undone", () => {
  const rows = [
    ["endpoint=[2001:DB8:0::7]:7838", "[2001:db8::7]:7838"],
    ["endpoint=[fe80::1%eth0]:7838", "[fe80::1%eth0]:7838"],
    ["endpoint=somewhere", "somewhere"],
  ];
  for (const [line, expected] of rows) {
    const text = `public_key=${BOB_HEX}\n${line}\nerrno=0\n\n`;
    const peer = parseAnswer(text).device.peers.get(BOB);
    assert.equal(peer?.endpoint, expected);
  }
  const odd = parseAnswer(
    `public_key=${BOB_HEX}\nallowed_ip=::ffff:1.2.3.4/128\nerrno=0\n\n`,
  );
  assert.deepEqual(odd.device.peers.get(BOB)?.allowedIps, [
    "::ffff:1.2.3.4/128",
  ]);
});

Deno.test("parseAnswer() refuses what is malformed, without repeating it", () => {
  const rows = [
    "",
    "errno=0\n",
    "listen_port=1\n\n",
    "nonsense\nerrno=0\n\n",
    "private_key=secret\nerrno=0\n\n",
    `private_key=${"zz".repeat(32)}\nerrno=0\n\n`,
    "listen_port=many\nerrno=0\n\n",
    "errno=\n\n",
  ];
  for (const text of rows) {
    assert.throws(() => parseAnswer(text), (error) => {
      assert(error instanceof SyntaxError);
      assert.doesNotMatch(error.message, /secret|zz|many/);
      return true;
    });
  }
});

Deno.test("parseAnswer() throws nothing but SyntaxError, whatever it is given", () => {
  const random = new Random(11);
  for (let round = 0; round < 5_000; round++) {
    const bytes = new TextEncoder().encode(WIREGUARD_GO);
    for (let edit = random.below(8); edit >= 0; edit--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const cut = random.chance(0.5) ? random.below(bytes.length) : undefined;
    const text = new TextDecoder().decode(bytes.subarray(0, cut));
    try {
      parseAnswer(text);
    } catch (error) {
      assert(error instanceof SyntaxError, `seed 11, round ${round}: ${error}`);
    }
  }
});

/**
 * What every WireGuardPort must do, whoever is behind it: the fake, the
 * kernel's WireGuard, wireguard-go. A claim that one of them cannot keep is a
 * bug of the port, or a fact that the contract got wrong.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { ERRNO } from "../../mod/core/errors.ts";
import { derivePublicKey, PrivateKey } from "../../mod/core/key.ts";
import { planPeers } from "../../mod/core/plan_peers.ts";
import type { Peer } from "../../mod/core/state.ts";
import { Random } from "../support/random.ts";
import { ALLOWED_IP_CLAIMS } from "./wireguard_allowed_ips.ts";
import { PEER_CLAIMS } from "./wireguard_peers.ts";
import { likeTheFake } from "./wireguard_random.ts";
import {
  type Claim,
  endpoint,
  holds,
  OTHER_PORT,
  peer,
  peerKey,
  peersOf,
  PORT,
  prefixes,
  refusal,
  setPeer,
  type WireGuardLab,
} from "./wireguard_support.ts";

export interface ContractOptions {
  readonly ignore?: boolean;
  /** Peers of the big test; 5,000 by default. */
  readonly peers?: number;
}

/** Register the contract for one port. `setup` makes a fresh device for each test. */
export function wireGuardContract(
  name: string,
  setup: () => Promise<WireGuardLab>,
  options: ContractOptions = {},
): void {
  const { ignore = false, peers = 5_000 } = options;
  const keyedClaims: readonly Claim[] = [
    ...PEER_CLAIMS,
    ...ALLOWED_IP_CLAIMS,
    { claim: `${peers} peers rest`, check: (lab) => manyPeers(lab, peers) },
    {
      claim: "random changes have the effect that they have on the fake",
      check: likeTheFake,
    },
  ];
  const claims = [
    ...DEVICE_CLAIMS.map((claim) => ({ ...claim, keyed: false })),
    ...keyedClaims.map((claim) => ({ ...claim, keyed: true })),
  ];
  for (const { claim, check, keyed } of claims) {
    Deno.test({
      name: `${name}: ${claim}`,
      ignore,
      fn: async () => {
        await using lab = await setup();
        // As the agent does it: boringtun takes no peers before.
        if (keyed) await lab.port.setPrivateKey(lab.link, deviceKey());
        await check(lab);
      },
    });
  }
}

function deviceKey(): PrivateKey {
  return PrivateKey.fromBytes(new Random(99).bytes(32));
}

const DEVICE_CLAIMS: readonly Claim[] = [
  {
    claim: "a fresh device has no key and no peers",
    check: async ({ port, link }) => {
      const state = await port.read(link);
      assert.equal(state.device.publicKey, null);
      assert.equal(state.peers.size, 0);
      assert.equal(state.complete, true);
    },
  },
  {
    claim: "setPrivateKey() is read back as the public key",
    check: async ({ port, link }) => {
      const key = PrivateKey.fromBytes(new Random(1).bytes(32));
      await port.setPrivateKey(link, key);
      await port.setPrivateKey(link, key);
      const { device } = await port.read(link);
      assert.equal(device.publicKey, await derivePublicKey(key));
    },
  },
  {
    claim: "setListenPort() is read back, the same port again too",
    check: async ({ port, link }) => {
      for (const wanted of [PORT, PORT, OTHER_PORT]) {
        await port.setListenPort(link, wanted);
        assert.equal((await port.read(link)).device.listenPort, wanted);
      }
    },
  },
  {
    claim:
      "setListenPort() to a busy port says EADDRINUSE, and works once free",
    check: async (lab) => {
      const { port, link } = lab;
      await port.setListenPort(link, PORT);
      {
        await using _other = await lab.occupyPort(OTHER_PORT);
        await refusal(port.setListenPort(link, OTHER_PORT), ERRNO.EADDRINUSE);
      }
      await port.setListenPort(link, OTHER_PORT);
      assert.equal((await port.read(link)).device.listenPort, OTHER_PORT);
    },
  },
  {
    claim: "a device that is not there says ENODEV, whatever is asked",
    check: async ({ port }) => {
      const key = PrivateKey.fromBytes(new Random(2).bytes(32));
      const none = "cn-none";
      await refusal(port.read(none), ERRNO.ENODEV);
      await refusal(port.traffic(none), ERRNO.ENODEV);
      await refusal(port.setPrivateKey(none, key), ERRNO.ENODEV);
      await refusal(port.setListenPort(none, PORT), ERRNO.ENODEV);
      await refusal(
        port.changePeers(none, [setPeer(peerKey(1))]),
        ERRNO.ENODEV,
      );
    },
  },
  {
    claim: "no error repeats the private key",
    check: async ({ port }) => {
      const key = PrivateKey.fromBytes(new Random(3).bytes(32));
      const bytes = key.expose();
      const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0"));
      const secrets = [hex.join(""), btoa(String.fromCharCode(...bytes))];
      await assert.rejects(port.setPrivateKey("cn-none", key), (error) => {
        const text = Deno.inspect(error, { depth: 9 });
        return secrets.every((secret) => !text.includes(secret));
      });
    },
  },
  {
    claim: "our own key is never a peer",
    check: async ({ port, link }) => {
      const key = PrivateKey.fromBytes(new Random(4).bytes(32));
      const own = await derivePublicKey(key);
      await port.setPrivateKey(link, key);
      const addAllowedIps = [parsePrefix("10.0.1.0/24")];
      await port.changePeers(link, [
        setPeer(own, { addAllowedIps }),
        setPeer(peerKey(2)),
      ]);
      assert.deepEqual([...await peersOf(port, link)].length, 1);
      await port.changePeers(link, [{
        kind: "remove-peer",
        publicKey: own,
        reason: "test",
      }]);
      assert((await peersOf(port, link)).has(peerKey(2)));
    },
  },
];

/**
 * As the agent does it: what is planned is set, and the plan after that is
 * empty; then every second one is to go.
 */
async function manyPeers(lab: WireGuardLab, count: number): Promise<void> {
  const wanted = Array.from({ length: count }, (_, n) =>
    peer(n, {
      endpoint: endpoint(`192.0.${n >> 8}.${n & 255}`),
      allowedIps: prefixes(
        `10.${n >> 8}.${n & 255}.0/24`,
        `fd00:0:0:${n.toString(16)}::/64`,
      ),
    }));
  const half = wanted.filter((_, n) => n % 2 === 0);
  assert.equal(await changePlanned(lab, wanted), count);
  assert.equal(await changePlanned(lab, wanted), 0);
  await holds(lab.port, lab.link, wanted);
  assert.equal(await changePlanned(lab, half), count - half.length);
  assert.equal(await changePlanned(lab, half), 0);
}

/** @returns how many changes it took */
async function changePlanned(
  { port, link }: WireGuardLab,
  wanted: readonly Peer[],
): Promise<number> {
  const observed = await port.read(link);
  const steps = planPeers(
    { peers: new Map(wanted.map((peer) => [peer.publicKey, peer])) },
    { peers: observed.peers, peersComplete: observed.complete },
    { link, privateKeyFile: "", cniConfFile: "", nodeOf: () => undefined },
  );
  const changes = steps.flatMap((step) =>
    step.kind === "peer" ? [step.change] : []
  );
  await port.changePeers(link, changes);
  return changes.length;
}

/**
 * What every WireGuardPort must do, whoever is behind it: the fake, the
 * kernel's WireGuard, wireguard-go. A claim that one of them cannot keep is a
 * bug of the port, or a fact that the contract got wrong.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WireGuardPort, WireGuardState } from "../../mod/agent/ports.ts";
import {
  endpointText,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../mod/core/address.ts";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import {
  derivePublicKey,
  PrivateKey,
  type PublicKey,
  publicKeyFromBytes,
} from "../../mod/core/key.ts";
import type { Peer, PeerChange } from "../../mod/core/state.ts";
import { Random } from "../support/random.ts";

/** A fresh device for one test. */
export interface WireGuardLab extends AsyncDisposable {
  readonly port: WireGuardPort;
  /** Name of a WireGuard link that is there, up, and has no key and no peers. */
  readonly link: string;
  /** Give an existing peer a preshared key, by another way than the port. */
  setPresharedKey(peer: PublicKey): Promise<void>;
  /** Bind a UDP port, as another program would. */
  occupyPort(port: number): Promise<AsyncDisposable>;
}

export interface ContractOptions {
  readonly ignore?: boolean;
  /** Peers of the big test; 5,000 by default. */
  readonly peers?: number;
}

type SetPeer = PeerChange & { readonly kind: "set-peer" };

/** UDP port numbers of the tests; the lab's network namespace has no other use for them. */
const PORT = 7838;
const OTHER_PORT = 7839;

/** Register the contract for one port. `setup` makes a fresh device for each test. */
export function wireGuardContract(
  name: string,
  setup: () => Promise<WireGuardLab>,
  options: ContractOptions = {},
): void {
  const { ignore = false, peers = 5_000 } = options;
  const claims: readonly Claim[] = [
    ...DEVICE_CLAIMS,
    ...PEER_CLAIMS,
    ...ALLOWED_IP_CLAIMS,
    { claim: `${peers} peers rest`, check: (lab) => manyPeers(lab, peers) },
  ];
  for (const { claim, check } of claims) {
    Deno.test({
      name: `${name}: ${claim}`,
      ignore,
      fn: async () => {
        await using lab = await setup();
        await check(lab);
      },
    });
  }
}

interface Claim {
  readonly claim: string;
  readonly check: (lab: WireGuardLab) => Promise<void>;
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

const PEER_CLAIMS: readonly Claim[] = [
  {
    claim: "a peer is read back as it was set, both families",
    check: async ({ port, link }) => {
      const wanted: readonly Peer[] = [
        peer(1, { endpoint: endpoint("192.0.2.1"), keepaliveSeconds: 25 }),
        peer(2, {
          endpoint: endpoint("2001:db8::2"),
          allowedIps: prefixes("10.0.2.0/24", "fd00:0:0:2::/64"),
        }),
        peer(3),
      ];
      await port.changePeers(link, wanted.map(changeFor));
      await holds(port, link, wanted);
    },
  },
  {
    claim: "an endpoint alone can be changed",
    check: async ({ port, link }) => {
      const before = peer(1, {
        endpoint: endpoint("192.0.2.1"),
        allowedIps: prefixes("10.0.1.0/24"),
        keepaliveSeconds: 5,
      });
      await port.changePeers(link, [changeFor(before)]);
      const moved = endpoint("192.0.2.99");
      await port.changePeers(link, [
        setPeer(peerKey(1), { create: false, endpoint: moved }),
      ]);
      await holds(port, link, [{ ...before, endpoint: moved }]);
    },
  },
  {
    claim: "keepalive can be set, left alone and cleared",
    check: async ({ port, link }) => {
      const rows = [[25, 25], [undefined, 25], [0, 0], [65_535, 65_535]];
      for (const [keepaliveSeconds, expected = 0] of rows) {
        await port.changePeers(link, [
          setPeer(peerKey(1), { keepaliveSeconds }),
        ]);
        await holds(port, link, [peer(1, { keepaliveSeconds: expected })]);
      }
    },
  },
  {
    claim: "a preshared key is seen, left alone, and cleared on demand",
    check: async (lab) => {
      const { port, link } = lab;
      await port.changePeers(link, [changeFor(peer(1))]);
      await lab.setPresharedKey(peerKey(1));
      await holds(port, link, [peer(1, { presharedKey: true })]);
      const touch = setPeer(peerKey(1), { create: false, keepaliveSeconds: 0 });
      await port.changePeers(link, [touch]);
      await holds(port, link, [peer(1, { presharedKey: true })]);
      await port.changePeers(link, [{ ...touch, clearPresharedKey: true }]);
      await holds(port, link, [peer(1)]);
    },
  },
  {
    claim: "without `create`, a peer that is not there stays away",
    check: async ({ port, link }) => {
      await port.changePeers(link, [changeFor(peer(1, {
        allowedIps: prefixes("10.0.1.0/24"),
      }))]);
      await port.changePeers(link, [
        setPeer(peerKey(2), {
          create: false,
          endpoint: endpoint("192.0.2.2"),
          addAllowedIps: prefixes("10.0.1.0/24", "10.0.2.0/24"),
          removeAllowedIps: prefixes("10.0.3.0/24"),
        }),
      ]);
      await holds(port, link, [peer(1, {
        allowedIps: prefixes("10.0.1.0/24"),
      })]);
    },
  },
  {
    claim: "`replaces` moves everything to a new key in one go",
    check: async ({ port, link }) => {
      const allowedIps = prefixes("10.0.1.0/24", "fd00:0:0:1::/64");
      const other = peer(9, { allowedIps: prefixes("10.0.9.0/24") });
      const old = peer(1, { allowedIps });
      await port.changePeers(link, [changeFor(old), changeFor(other)]);
      const successor = peer(2, {
        allowedIps,
        endpoint: endpoint("192.0.2.1"),
      });
      await port.changePeers(link, [
        { ...changeFor(successor), replaces: old.publicKey },
      ]);
      await holds(port, link, [successor, other]);
    },
  },
  {
    claim: "`replaces` of a peer that is gone already is no error",
    check: async ({ port, link }) => {
      await port.changePeers(link, [
        { ...changeFor(peer(2)), replaces: peerKey(1) },
      ]);
      await holds(port, link, [peer(2)]);
    },
  },
  {
    claim: "removal takes one peer, and is no error twice",
    check: async ({ port, link }) => {
      const stays = peer(2, { allowedIps: prefixes("10.0.2.0/24") });
      await port.changePeers(link, [changeFor(peer(1)), changeFor(stays)]);
      for (let round = 0; round < 2; round++) {
        await port.changePeers(link, [
          { kind: "remove-peer", publicKey: peerKey(1), reason: "test" },
        ]);
        await holds(port, link, [stays]);
      }
    },
  },
  {
    claim: "no changes are no error",
    check: async ({ port, link }) => {
      await port.changePeers(link, []);
      await holds(port, link, []);
    },
  },
];

const ALLOWED_IP_CLAIMS: readonly Claim[] = [
  {
    claim: "AllowedIPs are added to those that are there",
    check: async ({ port, link }) => {
      const first = peer(1, {
        endpoint: endpoint("192.0.2.1"),
        allowedIps: prefixes("10.0.1.0/24"),
      });
      await port.changePeers(link, [changeFor(first)]);
      const more = prefixes("10.0.1.0/24", "10.0.4.0/24", "fd00:0:0:4::/64");
      await port.changePeers(link, [
        setPeer(peerKey(1), { create: false, addAllowedIps: more }),
      ]);
      await holds(port, link, [{ ...first, allowedIps: more }]);
    },
  },
  {
    claim: "AllowedIPs are removed one by one, the rest of the peer untouched",
    check: async (lab) => {
      const { port, link } = lab;
      const full = peer(1, {
        endpoint: endpoint("192.0.2.1"),
        allowedIps: prefixes("10.0.1.0/24", "10.0.2.0/24", "fd00:0:0:1::/64"),
        keepaliveSeconds: 25,
      });
      const other = peer(2, { allowedIps: prefixes("10.0.8.0/24") });
      await port.changePeers(link, [changeFor(full), changeFor(other)]);
      await lab.setPresharedKey(peerKey(1));
      await port.changePeers(link, [
        setPeer(peerKey(1), {
          create: false,
          removeAllowedIps: prefixes("10.0.2.0/24", "fd00:0:0:1::/64"),
        }),
      ]);
      const allowedIps = prefixes("10.0.1.0/24");
      await holds(port, link, [
        { ...full, allowedIps, presharedKey: true },
        other,
      ]);
    },
  },
  {
    claim: "an AllowedIP that is nobody's can be removed",
    check: async ({ port, link }) => {
      await port.changePeers(link, [changeFor(peer(1))]);
      await port.changePeers(link, [
        setPeer(peerKey(1), {
          create: false,
          removeAllowedIps: prefixes("10.0.7.0/24"),
        }),
      ]);
      await holds(port, link, [peer(1)]);
    },
  },
  {
    claim: "an AllowedIP given to a second peer leaves the first",
    check: async ({ port, link }) => {
      const allowedIps = prefixes("10.0.1.0/24");
      const first = peer(1, { allowedIps });
      await port.changePeers(link, [changeFor(first)]);
      await port.changePeers(link, [changeFor(peer(2, { allowedIps }))]);
      await holds(port, link, [peer(1), peer(2, { allowedIps })]);
      await port.changePeers(link, [
        { kind: "remove-peer", publicKey: peerKey(2), reason: "test" },
      ]);
      await holds(port, link, [peer(1)]);
    },
  },
  {
    claim: "two peers swap AllowedIPs in one batch",
    check: async ({ port, link }) => {
      const [a, b] = [prefixes("10.0.1.0/24"), prefixes("10.0.2.0/24")];
      await port.changePeers(link, [
        changeFor(peer(1, { allowedIps: a })),
        changeFor(peer(2, { allowedIps: b })),
      ]);
      await port.changePeers(link, [
        setPeer(peerKey(1), { create: false, addAllowedIps: b }),
        setPeer(peerKey(2), { create: false, addAllowedIps: a }),
      ]);
      await holds(port, link, [
        peer(1, { allowedIps: b }),
        peer(2, { allowedIps: a }),
      ]);
    },
  },
  {
    claim: "a longer prefix of another peer lies beside a shorter one",
    check: async ({ port, link }) => {
      const wanted = [
        peer(1, { allowedIps: prefixes("10.0.0.0/16") }),
        peer(2, { allowedIps: prefixes("10.0.2.0/24", "10.0.2.0/25") }),
      ];
      await port.changePeers(link, wanted.map(changeFor));
      await holds(port, link, wanted);
    },
  },
  {
    claim: "a peer with 2,000 AllowedIPs is read back whole, and loses half",
    check: async ({ port, link }) => {
      const all = Array.from(
        { length: 2_000 },
        (_, n) => parsePrefix(`10.${n >> 8}.${n & 255}.0/24`),
      ).sort();
      await port.changePeers(link, [changeFor(peer(1, { allowedIps: all }))]);
      await holds(port, link, [peer(1, { allowedIps: all })]);
      const removeAllowedIps = all.filter((_, n) => n % 2 === 1);
      await port.changePeers(link, [
        setPeer(peerKey(1), { create: false, removeAllowedIps }),
      ]);
      const allowedIps = all.filter((_, n) => n % 2 === 0);
      await holds(port, link, [peer(1, { allowedIps })]);
    },
  },
];

/** Set, read back, compare; then remove every second one, and compare again. */
async function manyPeers(lab: WireGuardLab, count: number): Promise<void> {
  const { port, link } = lab;
  const wanted = Array.from({ length: count }, (_, n) =>
    peer(n, {
      endpoint: endpoint(`192.0.${n >> 8}.${n & 255}`),
      allowedIps: prefixes(
        `10.${n >> 8}.${n & 255}.0/24`,
        `fd00:0:0:${n.toString(16)}::/64`,
      ),
    }));
  await port.changePeers(link, wanted.map(changeFor));
  await holds(port, link, wanted);
  const changes = wanted.filter((_, n) => n % 2 === 1).map((
    { publicKey },
  ): PeerChange => ({ kind: "remove-peer", publicKey, reason: "test" }));
  await port.changePeers(link, changes);
  await holds(port, link, wanted.filter((_, n) => n % 2 === 0));
}

async function holds(
  port: WireGuardPort,
  link: string,
  wanted: readonly Peer[],
): Promise<void> {
  const found = await peersOf(port, link);
  for (const peer of wanted) {
    assert.deepEqual(found.get(peer.publicKey), peer);
  }
  assert.equal(found.size, wanted.length);
}

async function peersOf(
  port: WireGuardPort,
  link: string,
): Promise<WireGuardState["peers"]> {
  const { peers, complete } = await port.read(link);
  assert.equal(complete, true);
  return peers;
}

async function refusal(work: Promise<unknown>, errno: number): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(error instanceof KernelError, Deno.inspect(error));
    assert.equal(error.errno, errno, error.message);
    assert.match(error.message, /^Cannot [a-z]/);
    return true;
  });
}

/** The n-th peer's key: any 32 bytes are a point on the curve or its twist. */
export function peerKey(n: number): PublicKey {
  return publicKeyFromBytes(new Random(1_000_003 * (n + 1)).bytes(32));
}

function peer(n: number, fields: Partial<Peer> = {}): Peer {
  return {
    publicKey: peerKey(n),
    endpoint: undefined,
    allowedIps: [],
    keepaliveSeconds: 0,
    presharedKey: false,
    ...fields,
  };
}

/** The change that makes this peer where there was none. */
function changeFor(peer: Peer): SetPeer {
  return setPeer(peer.publicKey, {
    endpoint: peer.endpoint,
    addAllowedIps: peer.allowedIps,
    keepaliveSeconds: peer.keepaliveSeconds,
  });
}

function setPeer(
  publicKey: PublicKey,
  fields: Partial<SetPeer> = {},
): SetPeer {
  return {
    kind: "set-peer",
    publicKey,
    create: true,
    endpoint: undefined,
    addAllowedIps: [],
    removeAllowedIps: [],
    keepaliveSeconds: undefined,
    clearPresharedKey: false,
    replaces: undefined,
    node: "test",
    ...fields,
  };
}

function prefixes(...texts: readonly string[]): readonly Prefix[] {
  return texts.map(parsePrefix).sort();
}

function endpoint(address: string): string {
  return endpointText(parseAddress(address), PORT);
}

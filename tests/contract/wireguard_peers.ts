/**
 * The WireGuard contract: peers as a whole, their endpoints, keepalives and
 * preshared keys.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Peer } from "../../mod/core/state.ts";
import { NO_TRAFFIC } from "../../mod/core/traffic.ts";
import {
  changeFor,
  type Claim,
  endpoint,
  holds,
  peer,
  peerKey,
  prefixes,
  setPeer,
} from "./wireguard_support.ts";

export const PEER_CLAIMS: readonly Claim[] = [
  {
    claim: "a peer that nobody spoke to has no traffic and no handshake",
    check: async ({ port, link }) => {
      const there = endpoint("192.0.2.1");
      const wanted = [peer(1, { endpoint: there }), peer(2)];
      await port.changePeers(link, wanted.map(changeFor));
      const found = await port.traffic(link);
      assert.deepEqual(
        found,
        new Map([
          [peerKey(1), { ...NO_TRAFFIC, endpoint: there }],
          [peerKey(2), NO_TRAFFIC],
        ]),
      );
    },
  },
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
      if (!await lab.setPresharedKey(peerKey(1))) return;
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

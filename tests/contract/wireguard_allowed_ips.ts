/**
 * The WireGuard contract: AllowedIPs, which have one owner each and move
 * without a word.
 *
 * @module
 */

import { parsePrefix } from "../../mod/core/address.ts";
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

export const ALLOWED_IP_CLAIMS: readonly Claim[] = [
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
      const presharedKey = await lab.setPresharedKey(peerKey(1));
      await port.changePeers(link, [
        setPeer(peerKey(1), {
          create: false,
          removeAllowedIps: prefixes("10.0.2.0/24", "fd00:0:0:1::/64"),
        }),
      ]);
      const allowedIps = prefixes("10.0.1.0/24");
      await holds(port, link, [
        { ...full, allowedIps, presharedKey },
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
  {
    claim: "a stale removal does not rob the new owner",
    check: async ({ port, link }) => {
      const allowedIps = prefixes("10.0.1.0/24", "fd00:0:0:1::/64");
      const wanted = [peer(1), peer(2, { allowedIps })];
      await port.changePeers(link, wanted.map(changeFor));
      await port.changePeers(link, [
        setPeer(peerKey(1), { create: false, removeAllowedIps: allowedIps }),
        setPeer(peerKey(3), { create: false, removeAllowedIps: allowedIps }),
      ]);
      await holds(port, link, wanted);
    },
  },
];

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { hasRemovals, withoutRobbery } from "../../mod/core/removals.ts";
import type { PeerChange } from "../../mod/core/state.ts";
import { peerKey, setPeer } from "../contract/wireguard_support.ts";

const [A, B] = [peerKey(1), peerKey(2)];
const V4 = parsePrefix("10.0.7.0/24");
const V6 = parsePrefix("fd00:0:0:7::/64");

Deno.test("withoutRobbery() keeps the removals of what the peer itself has", () => {
  const peers = new Map([[A, {
    publicKey: A,
    endpoint: undefined,
    allowedIps: [V4],
    keepaliveSeconds: 0,
    presharedKey: false,
  }]]);
  const rows: readonly (readonly [readonly PeerChange[], readonly string[]])[] =
    [
      [[setPeer(A, { removeAllowedIps: [V4, V6] })], [V4]],
      [[setPeer(B, { removeAllowedIps: [V4] })], []],
      [[
        setPeer(A, { removeAllowedIps: [V4] }),
        setPeer(B, { addAllowedIps: [V4] }),
      ], []],
    ];
  for (const [changes, expected] of rows) {
    assert.equal(hasRemovals(changes), true);
    const left = withoutRobbery(changes, peers).flatMap((it) =>
      it.kind === "set-peer" ? it.removeAllowedIps : []
    );
    assert.deepEqual(left, expected);
  }
});

Deno.test("hasRemovals() sees only what takes AllowedIPs away", () => {
  const rows: readonly (readonly [readonly PeerChange[], boolean])[] = [
    [[], false],
    [[{ kind: "remove-peer", publicKey: A, reason: "test" }], false],
    [[setPeer(A, { addAllowedIps: [V4] })], false],
    [[setPeer(A), setPeer(B, { removeAllowedIps: [V4] })], true],
  ];
  for (const [changes, expected] of rows) {
    assert.equal(hasRemovals(changes), expected);
  }
});

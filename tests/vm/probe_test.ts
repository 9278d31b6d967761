/**
 * The probe is an instrument: these hold it to what is known, before others believe its zeros.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Probe, probeText } from "../lab/probe.ts";
import { guestTest, NamespacePair, sh, sleep } from "./in_guest.ts";
import { WireGuardPair } from "./wireguard_pair.ts";

function startProbe(pair: NamespacePair, address: string): Promise<Probe> {
  return Probe.start({
    from: (command) => ["ip", "netns", "exec", pair.left, ...command],
    to: (command) => ["ip", "netns", "exec", pair.right, ...command],
    address,
  });
}

guestTest("Probe sees no loss over a tunnel that nobody touches", async () => {
  await using tunnel = await WireGuardPair.create("quiet");
  await using probe = await startProbe(tunnel.pair, tunnel.right.inner);
  await sleep(4000);
  const report = await probe.stop();
  console.log(probeText(report));
  assert.equal(report.lost, 0, probeText(report));
  assert.ok(report.sent > 1000, probeText(report));
});

guestTest(
  "Probe sees no loss while the endpoint is set again and again",
  async () => {
    await using tunnel = await WireGuardPair.create("added");
    await using probe = await startProbe(tunnel.pair, tunnel.right.inner);
    for (let round = 0; round < 10; round++) {
      await tunnel.left.wg(
        `peer ${tunnel.right.publicKey} endpoint 192.0.2.2:7838`,
      );
      await sleep(200);
    }
    const report = await probe.stop();
    console.log(probeText(report));
    assert.equal(report.lost, 0, probeText(report));
  },
);

guestTest("Probe sees the packets that a link made anew has lost", async () => {
  await using tunnel = await WireGuardPair.create("anew");
  await using probe = await startProbe(tunnel.pair, tunnel.right.inner);
  await sleep(1000);
  await sh(`ip -n ${tunnel.pair.left} link delete wg0`);
  await tunnel.left.up();
  await tunnel.connect();
  await sleep(1000);
  const report = await probe.stop();
  console.log(probeText(report));
  assert.ok(report.lost > 0, probeText(report));
});

/**
 * The contract of WireGuard ports, kept by the kernel's.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WireGuardPort } from "../../mod/agent/ports.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import { Rtnetlink } from "../../mod/sys/rtnetlink.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { KernelWireGuard } from "../../mod/sys/wireguard_kernel.ts";
import { wireGuardContract } from "../contract/wireguard.ts";
import {
  peerKey,
  setPeer,
  type WireGuardLab,
} from "../contract/wireguard_support.ts";
import { guestTest, IN_GUEST, sh } from "./in_guest.ts";

const shim = await loadShim();
const port: WireGuardPort = new KernelWireGuard(shim);
const LINK = "cnwg0";

async function makeLab(): Promise<WireGuardLab> {
  const routes = new Rtnetlink(shim);
  await routes.createLink(LINK);
  await routes.setLinkUp(LINK);
  return {
    port,
    link: LINK,
    setPresharedKey: async (peer: PublicKey): Promise<boolean> => {
      const file = await Deno.makeTempFile();
      await Deno.writeTextFile(file, btoa("p".repeat(32)));
      await sh(`wg set ${LINK} peer ${peer} preshared-key ${file}`);
      await Deno.remove(file);
      return true;
    },
    occupyPort: (port: number): Promise<AsyncDisposable> => {
      const hostname = "0.0.0.0";
      const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
      return Promise.resolve({
        [Symbol.asyncDispose]: (): Promise<void> =>
          Promise.resolve(socket.close()),
      });
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await sh(`ip link del ${LINK}`);
    },
  };
}

if (!IN_GUEST) console.log("SKIPPED the kernel's WireGuard: needs the guest");
// With each peer that goes, at the latest with its link, the kernel waits 10 ms and more.
wireGuardContract("kernel", makeLab, { ignore: !IN_GUEST, peers: 2_000 });

guestTest(
  "KernelWireGuard.available() finds the kernel's WireGuard",
  async () => {
    assert.equal(await new KernelWireGuard(shim).available(), true);
  },
);

guestTest(
  "KernelWireGuard says what it could not do, on what, and why",
  async () => {
    await assert.rejects(port.read("cn-none"), {
      message: "Cannot read WireGuard device cn-none: No such device",
    });
    await assert.rejects(port.setListenPort("cn-none", 1), {
      message: "Cannot set listen port of cn-none to 1: No such device",
    });
  },
);

guestTest(
  "KernelWireGuard sets 600 peers without holding up the event loop",
  async () => {
    await using _lab = await makeLab();
    const changes = Array.from({ length: 600 }, (_, n) => setPeer(peerKey(n)));
    // Something else that goes by way of the event loop.
    let turns = 0;
    let done = false;
    const other = (async () => {
      for (; !done; turns++) await Deno.stat("/");
    })();
    try {
      await port.changePeers(LINK, changes);
      const whileSetting = turns;
      assert.equal((await port.read(LINK)).peers.size, 600);
      const whileReading = turns - whileSetting;
      // Two messages, and a dump of four.
      assert(whileSetting >= 1, `${whileSetting} turns while setting`);
      assert(whileReading >= 1, `${whileReading} turns while reading`);
    } finally {
      done = true;
      await other;
    }
  },
);

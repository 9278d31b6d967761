/**
 * The contract of route ports, kept by a stock kernel on a WireGuard link.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { RoutePort } from "../../mod/agent/ports.ts";
import { parsePrefix } from "../../mod/core/address.ts";
import { type Route, ROUTE_PROTOCOL } from "../../mod/core/state.ts";
import { Rtnetlink } from "../../mod/sys/rtnetlink.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { KernelWireGuard } from "../../mod/sys/wireguard_kernel.ts";
import { routeContract, type RouteLab } from "../contract/routes.ts";
import { guestTest, IN_GUEST, sh } from "./in_guest.ts";

const shim = await loadShim();
const port: RoutePort = new Rtnetlink(shim);
const LINK = "cnwg0";

async function makeLab(): Promise<RouteLab> {
  await port.createLink(LINK);
  await port.setLinkUp(LINK);
  return {
    port,
    link: LINK,
    kind: "wireguard",
    addForeignRoute: async (route: Route): Promise<void> => {
      const { destination, device, metric, protocol } = route;
      await sh(
        `ip route add ${destination} dev ${device} metric ${metric} proto ${protocol}`,
      );
    },
    setLinkDown: async (): Promise<void> => {
      await sh(`ip link set ${LINK} down`);
    },
    deleteLink: async (): Promise<void> => {
      await sh(`ip link del ${LINK}`);
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      if (await port.link(LINK) !== null) await sh(`ip link del ${LINK}`);
      await sh(`ip -4 route flush proto ${ROUTE_PROTOCOL}`);
      await sh(`ip -6 route flush proto ${ROUTE_PROTOCOL}`);
    },
  };
}

if (!IN_GUEST) console.log("SKIPPED routes on a stock kernel: needs the guest");
routeContract("stock kernel", makeLab, { ignore: !IN_GUEST });

guestTest("setLinkUp() with a busy port says EADDRINUSE in words", async () => {
  await using _lab = await makeLab();
  await sh(`ip link set ${LINK} down`);
  await new KernelWireGuard(shim).setListenPort(LINK, 7838);
  const hostname = "0.0.0.0";
  const other = Deno.listenDatagram({ transport: "udp", hostname, port: 7838 });
  try {
    await assert.rejects(port.setLinkUp(LINK), {
      message: `Cannot set link ${LINK} up: Address already in use`,
    });
  } finally {
    other.close();
  }
  await port.setLinkUp(LINK);
});

guestTest(
  "a route of a WireGuard link goes when its last IPv4 address goes",
  async () => {
    await using _lab = await makeLab();
    const address = parsePrefix("10.0.1.1/32");
    await port.addAddress(LINK, address);
    await sh(`ip route add 10.0.0.0/16 dev ${LINK} proto ${ROUTE_PROTOCOL}`);
    assert.equal((await port.routes([])).length, 1);
    await port.removeAddress(LINK, address);
    assert.deepEqual(await port.routes([]), []);
  },
);

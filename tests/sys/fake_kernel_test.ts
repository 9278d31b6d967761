/**
 * The fake kernel keeps the contracts of the real ones, and the rules of
 * Linux 6.1 that no contract can ask for.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parseAddress, parsePrefix } from "../../mod/core/address.ts";
import { ERRNO } from "../../mod/core/errors.ts";
import { type Route, ROUTE_PROTOCOL } from "../../mod/core/state.ts";
import { tableContract } from "../contract/tables.ts";
import { wireGuardContract } from "../contract/wireguard.ts";
import {
  peerKey,
  setPeer,
  type WireGuardLab,
} from "../contract/wireguard_support.ts";
import { FakeKernel } from "../fakes/kernel.ts";

const LINK = "clusternet";

async function fakeLab(): Promise<WireGuardLab> {
  const kernel = new FakeKernel();
  await kernel.routes.createLink(LINK);
  await kernel.routes.setLinkUp(LINK);
  return {
    port: kernel.wireguard,
    link: LINK,
    setPresharedKey: (publicKey) => {
      kernel.hand.setPeer(LINK, { publicKey, presharedKey: true });
      return Promise.resolve(true);
    },
    occupyPort: (port) => {
      const free = kernel.hand.occupyPort(port);
      const dispose = (): Promise<void> => Promise.resolve(free());
      return Promise.resolve({ [Symbol.asyncDispose]: dispose });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

wireGuardContract("fake", fakeLab);

tableContract("fake", () =>
  Promise.resolve({
    port: new FakeKernel().tables,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

const V4 = parsePrefix("10.0.0.0/16");
const V6 = parsePrefix("fd00::/48");

function route(fields: Partial<Route> = {}): Route {
  return {
    destination: V4,
    type: "unicast",
    device: LINK,
    source: undefined,
    metric: 0,
    protocol: ROUTE_PROTOCOL,
    ...fields,
  };
}

async function linkUp(): Promise<FakeKernel> {
  const kernel = new FakeKernel();
  await kernel.routes.createLink(LINK);
  await kernel.routes.setLinkUp(LINK);
  await kernel.routes.addAddress(LINK, parsePrefix("10.0.1.1/32"));
  await kernel.routes.addAddress(LINK, parsePrefix("fd00::1/128"));
  return kernel;
}

Deno.test("fake: link down flushes IPv6 addresses and all routes of the link", async () => {
  const kernel = await linkUp();
  const wall = route({ type: "unreachable", device: undefined, metric: 9 });
  for (const it of [route(), route({ destination: V6 }), wall]) {
    await kernel.routes.addRoute(it, { replace: false });
  }
  kernel.hand.setLinkDown(LINK);
  assert.deepEqual(await kernel.routes.addresses(LINK), ["10.0.1.1/32"]);
  assert.deepEqual(await kernel.routes.routes([]), [wall]);
});

Deno.test("fake: the last IPv4 address takes the routes along, the one before only its own", async () => {
  const kernel = await linkUp();
  const source = parseAddress("10.0.1.1");
  const kept = route({ source: parseAddress("10.0.2.1"), metric: 1 });
  await kernel.routes.addAddress(LINK, parsePrefix("10.0.2.1/32"));
  await kernel.routes.addRoute(route({ source }), { replace: false });
  await kernel.routes.addRoute(kept, { replace: false });
  await kernel.routes.removeAddress(LINK, parsePrefix("10.0.1.1/32"));
  assert.deepEqual(await kernel.routes.routes([]), [kept]);
  await kernel.routes.removeAddress(LINK, parsePrefix("10.0.2.1/32"));
  assert.deepEqual(await kernel.routes.routes([]), []);
});

Deno.test("fake: an IPv6 route outlives its preferred source, without it", async () => {
  const kernel = await linkUp();
  const source = parseAddress("fd00::1");
  const v6 = route({ destination: V6, source, metric: 1024 });
  await kernel.routes.addRoute(v6, { replace: false });
  await kernel.routes.removeAddress(LINK, parsePrefix("fd00::1/128"));
  assert.deepEqual(await kernel.routes.routes([]), [{
    ...v6,
    source: undefined,
  }]);
});

Deno.test("fake: link deletion removes addresses, routes, peers", async () => {
  const kernel = await linkUp();
  await kernel.routes.addRoute(route(), { replace: false });
  kernel.hand.setPeer(LINK, { publicKey: peerKey(1) });
  kernel.hand.deleteLink(LINK);
  assert.equal(await kernel.routes.link(LINK), null);
  assert.deepEqual(await kernel.routes.routes([V4]), []);
  await assert.rejects(kernel.routes.addresses(LINK), { errno: ERRNO.ENODEV });
  await kernel.routes.createLink(LINK);
  assert.equal((await kernel.wireguard.read(LINK)).peers.size, 0);
});

Deno.test("fake: a route's key is destination and metric, not type or protocol", async () => {
  const kernel = await linkUp();
  const foreign = route({
    protocol: 3,
    type: "unreachable",
    device: undefined,
  });
  kernel.hand.addRoute(foreign);
  await assert.rejects(kernel.routes.addRoute(route(), { replace: false }), {
    errno: ERRNO.EEXIST,
  });
  assert.deepEqual(await kernel.routes.routes([]), []);
  assert.deepEqual(await kernel.routes.routes([V4]), [foreign]);
  await assert.rejects(kernel.routes.removeRoute(route()), {
    errno: ERRNO.ESRCH,
  });
  await kernel.routes.addRoute(route(), { replace: true });
  assert.deepEqual(kernel.hand.routes, [route()]);
});

Deno.test("fake: refusals carry the kernel's errno", async () => {
  const kernel = await linkUp();
  const { routes } = kernel;
  kernel.hand.addLink("down0", "dummy");
  const add = (fields: Partial<Route>): Promise<void> =>
    routes.addRoute(route(fields), { replace: false });
  const rows: readonly (readonly [() => Promise<unknown>, number])[] = [
    [() => routes.createLink(LINK), ERRNO.EEXIST],
    [() => routes.setLinkUp("none"), ERRNO.ENODEV],
    [() => routes.addAddress(LINK, parsePrefix("10.0.1.1/32")), ERRNO.EEXIST],
    [() => add({ device: "none" }), ERRNO.ENODEV],
    [() => add({ device: "down0" }), ERRNO.ENETDOWN],
    [() => add({ source: parseAddress("10.9.9.9") }), ERRNO.EINVAL],
    [() => routes.removeRoute(route()), ERRNO.ESRCH],
    [() => kernel.sysctl.write("net/none", "1"), ERRNO.ENOENT],
    [() => kernel.wireguard.read("down0"), ERRNO.EOPNOTSUPP],
  ];
  for (const [work, errno] of rows) await assert.rejects(work, { errno });
});

Deno.test("fake: without WireGuard or IPv6 the operation says EOPNOTSUPP", async () => {
  const bare = new FakeKernel({ wireguard: false });
  await assert.rejects(bare.routes.createLink(LINK), {
    errno: ERRNO.EOPNOTSUPP,
  });
  const v4 = new FakeKernel({ ipv6: false });
  await v4.routes.createLink(LINK);
  await v4.routes.setLinkUp(LINK);
  await assert.rejects(
    v4.routes.addRoute(route({ destination: V6 }), { replace: false }),
    { errno: ERRNO.EOPNOTSUPP },
  );
  assert.equal(
    await v4.sysctl.read("net/ipv6/conf/all/forwarding"),
    undefined,
  );
});

Deno.test("fake: a busy port stops a downed link from coming up", async () => {
  const kernel = new FakeKernel();
  await kernel.routes.createLink(LINK);
  const free = kernel.hand.occupyPort(7838);
  await kernel.wireguard.setListenPort(LINK, 7838);
  await assert.rejects(kernel.routes.setLinkUp(LINK), {
    errno: ERRNO.EADDRINUSE,
  });
  assert.equal((await kernel.routes.link(LINK))?.up, false);
  free();
  await kernel.routes.setLinkUp(LINK);
});

Deno.test("fake: IPv6 forwarding costs the router's default route unless accept_ra is 2", async () => {
  for (const accept of ["1", "2"]) {
    const kernel = new FakeKernel({ host: { raLinks: ["eth0"] } });
    await kernel.sysctl.write("net/ipv6/conf/eth0/accept_ra", accept);
    await kernel.sysctl.write("net/ipv6/conf/all/forwarding", "1");
    const { raLinks } = await kernel.routes.hostFacts(LINK);
    assert.deepEqual(raLinks, accept === "2" ? ["eth0"] : []);
  }
});

Deno.test("fake: faults strike writes, as many as asked, after those let through", async () => {
  const kernel = await linkUp();
  kernel.inject({ errno: ERRNO.ENOMEM, skip: 1, times: 2 });
  const set = (): Promise<void> => kernel.routes.setLinkMtu(LINK, 1400);
  await set();
  await assert.rejects(set, { errno: ERRNO.ENOMEM });
  await kernel.routes.routes([]);
  await assert.rejects(set, { errno: ERRNO.ENOMEM });
  await set();
});

Deno.test("fake: a fault between two peers leaves the first one in place", async () => {
  const kernel = await linkUp();
  const add = [1, 2].map((n) => setPeer(peerKey(n)));
  kernel.inject({ errno: ERRNO.EINVAL, skip: 1 });
  await assert.rejects(kernel.wireguard.changePeers(LINK, add));
  const { peers } = await kernel.wireguard.read(LINK);
  assert.deepEqual([...peers.keys()], [peerKey(1)]);
});

Deno.test("fake: an interrupted dump is half a dump, and says so", async () => {
  const kernel = await linkUp();
  for (const n of [1, 2]) kernel.hand.setPeer(LINK, { publicKey: peerKey(n) });
  kernel.wireguard.interruptReads(1);
  const half = await kernel.wireguard.read(LINK);
  assert.deepEqual([half.peers.size, half.complete], [1, false]);
  const whole = await kernel.wireguard.read(LINK);
  assert.deepEqual([whole.peers.size, whole.complete], [2, true]);
});

Deno.test("fake: changes ring for links, addresses, routes and sysctls, not for peers", async () => {
  const kernel = await linkUp();
  let rings = 0;
  const stop = kernel.subscribe(() => rings++);
  kernel.hand.setPeer(LINK, { publicKey: peerKey(1) });
  assert.equal(rings, 0);
  await kernel.routes.setLinkMtu(LINK, 1400);
  await kernel.routes.addRoute(route(), { replace: false });
  kernel.hand.setSysctl("net/ipv4/ip_forward", "0");
  assert.equal(rings, 3);
  stop();
  kernel.hand.setLinkDown(LINK);
  assert.equal(rings, 3);
});

/**
 * What every RoutePort must do: the fake, and the kernel's rtnetlink. A claim
 * that one of them cannot keep is a bug of the port, or a fact that the
 * contract got wrong.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { RoutePort } from "../../mod/agent/ports.ts";
import { familyOf, parseAddress, parsePrefix } from "../../mod/core/address.ts";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import {
  type Route,
  ROUTE_PROTOCOL,
  WORST_METRIC,
} from "../../mod/core/state.ts";

/** A machine for one test, that may be changed. */
export interface RouteLab extends AsyncDisposable {
  readonly port: RoutePort;
  /** Name of a link that is there and up, without addresses and routes of its own. */
  readonly link: string;
  /** What `link()` says of its kind. */
  readonly kind: string;
  /** By another hand than the port's. */
  addForeignRoute(route: Route): Promise<void>;
  setLinkDown(): Promise<void>;
  deleteLink(): Promise<void>;
}

/** include/uapi/asm-generic/errno.h */
const ESRCH = 3;
const EADDRNOTAVAIL = 99;

/** include/uapi/linux/rtnetlink.h: RTPROT_STATIC */
const FOREIGN_PROTOCOL = 4;

const ADDRESS_4 = parsePrefix("10.0.1.1/32");
const ADDRESS_6 = parsePrefix("fd00:1::1/128");

/** One of each kind that the agent writes. */
function ours(link: string): readonly Route[] {
  const protocol = ROUTE_PROTOCOL;
  return [
    {
      destination: parsePrefix("10.0.0.0/16"),
      type: "unicast",
      device: link,
      source: parseAddress("10.0.1.1"),
      metric: 0,
      protocol,
    },
    {
      destination: parsePrefix("10.0.0.0/16"),
      type: "unreachable",
      device: undefined,
      source: undefined,
      metric: WORST_METRIC,
      protocol,
    },
    {
      destination: parsePrefix("fd00::/16"),
      type: "unicast",
      device: link,
      source: parseAddress("fd00:1::1"),
      metric: 1024,
      protocol,
    },
    {
      destination: parsePrefix("fd00::/16"),
      type: "unreachable",
      device: undefined,
      source: undefined,
      metric: WORST_METRIC,
      protocol,
    },
  ];
}

interface Claim {
  readonly claim: string;
  readonly check: (lab: RouteLab) => Promise<void>;
}

/** Register the contract for one port. `setup` makes a fresh machine for each test. */
export function routeContract(
  name: string,
  setup: () => Promise<RouteLab>,
  options: { readonly ignore?: boolean } = {},
): void {
  const { ignore = false } = options;
  for (const { claim, check } of [...LINK_CLAIMS, ...ROUTE_CLAIMS]) {
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

const LINK_CLAIMS: readonly Claim[] = [
  {
    claim: "link() is null where there is none",
    check: async ({ port }) => {
      assert.equal(await port.link("cn-none"), null);
    },
  },
  {
    claim: "alias and MTU are read back, and cleared",
    check: async ({ port, link, kind }) => {
      await port.setLinkAlias(link, "clusternet");
      await port.setLinkMtu(link, 1380);
      const expected = { kind, alias: "clusternet", mtu: 1380, up: true };
      assert.deepEqual(await port.link(link), expected);
      await port.setLinkAlias(link, "");
      assert.deepEqual(await port.link(link), { ...expected, alias: "" });
    },
  },
  {
    claim: "setLinkUp() brings it up, again too",
    check: async (lab) => {
      const { port, link } = lab;
      await lab.setLinkDown();
      assert.equal((await port.link(link))?.up, false);
      await port.setLinkUp(link);
      await port.setLinkUp(link);
      assert.equal((await port.link(link))?.up, true);
    },
  },
  {
    claim: "a link that is not there says ENODEV, whatever is asked",
    check: async ({ port }) => {
      const none = "cn-none";
      const [route] = ours(none);
      assert(route !== undefined);
      await refusal(port.setLinkAlias(none, "x"), ERRNO.ENODEV);
      await refusal(port.setLinkMtu(none, 1400), ERRNO.ENODEV);
      await refusal(port.setLinkUp(none), ERRNO.ENODEV);
      await refusal(port.addresses(none), ERRNO.ENODEV);
      await refusal(port.addAddress(none, ADDRESS_4), ERRNO.ENODEV);
      await refusal(port.removeAddress(none, ADDRESS_4), ERRNO.ENODEV);
      await refusal(port.addRoute(route, { replace: false }), ERRNO.ENODEV);
    },
  },
  {
    claim: "createLink() refuses a name that is taken",
    check: async ({ port, link }) => {
      await refusal(port.createLink(link), ERRNO.EEXIST, ERRNO.EOPNOTSUPP);
    },
  },
  {
    claim: "addresses of both families are read back, and removed",
    check: async ({ port, link }) => {
      await port.addAddress(link, ADDRESS_4);
      await port.addAddress(link, ADDRESS_6);
      assert.deepEqual(sorted(await port.addresses(link)), [
        ADDRESS_4,
        ADDRESS_6,
      ]);
      for (const address of [ADDRESS_4, ADDRESS_6]) {
        await refusal(port.addAddress(link, address), ERRNO.EEXIST);
        await port.removeAddress(link, address);
        await refusal(port.removeAddress(link, address), EADDRNOTAVAIL);
      }
      assert.deepEqual(await port.addresses(link), []);
    },
  },
];

const ROUTE_CLAIMS: readonly Claim[] = [
  {
    claim: "routes are read back as they were written, and removed",
    check: async (lab) => {
      const { port, link } = lab;
      await withRoutes(lab, ours(link));
      for (const route of ours(link)) await port.removeRoute(route);
      assert.deepEqual(await port.routes([]), []);
    },
  },
  {
    claim: "removing one leaves the other of the same destination",
    check: async (lab) => {
      const { port, link } = lab;
      for (const gone of ours(link)) {
        await withRoutes(lab, ours(link));
        await port.removeRoute(gone);
        await refusal(port.removeRoute(gone), ESRCH);
        const left = ours(link).filter((it) =>
          it.destination !== gone.destination || it.metric !== gone.metric
        );
        assert.deepEqual(byText(await port.routes([])), byText(left));
        for (const route of left) await port.removeRoute(route);
        await port.removeAddress(link, ADDRESS_4);
        await port.removeAddress(link, ADDRESS_6);
      }
    },
  },
  {
    claim: "without `replace` a route of the same key says EEXIST",
    check: async (lab) => {
      const { port, link } = lab;
      await withRoutes(lab, ours(link));
      for (const route of ours(link)) {
        await refusal(port.addRoute(route, { replace: false }), ERRNO.EEXIST);
      }
    },
  },
  {
    claim: "with `replace` the source changes, and nothing is doubled",
    check: async (lab) => {
      const { port, link } = lab;
      await withRoutes(lab, ours(link));
      await port.addAddress(link, parsePrefix("10.0.2.1/32"));
      await port.addAddress(link, parsePrefix("fd00:2::1/128"));
      const moved = ours(link).map((route) =>
        route.type === "unreachable" ? route : {
          ...route,
          source: parseAddress(
            familyOf(route.destination) === 4 ? "10.0.2.1" : "fd00:2::1",
          ),
        }
      );
      for (const route of moved) await port.addRoute(route, { replace: true });
      assert.deepEqual(byText(await port.routes([])), byText(moved));
    },
  },
  {
    claim: "foreign routes are seen where they are asked for, and stay",
    check: async (lab) => {
      const { port, link } = lab;
      for (const route of ours(link).filter((it) => it.metric < 2000)) {
        const foreign = {
          ...route,
          source: undefined,
          protocol: FOREIGN_PROTOCOL,
        };
        await lab.addForeignRoute(foreign);
        assert.deepEqual(await port.routes([]), []);
        const { destination } = route;
        const seen = (await port.routes([destination])).filter((it) =>
          it.destination === destination
        );
        assert.deepEqual(seen, [foreign]);
        const plain = { ...route, source: undefined };
        await refusal(port.addRoute(plain, { replace: false }), ERRNO.EEXIST);
        await refusal(port.removeRoute(plain), ESRCH);
        assert.deepEqual(await port.routes([destination]), [foreign]);
      }
    },
  },
  {
    claim: "a source that the machine does not have says EINVAL",
    check: async ({ port, link }) => {
      for (const route of ours(link)) {
        if (route.source === undefined) continue;
        await refusal(port.addRoute(route, { replace: false }), ERRNO.EINVAL);
      }
    },
  },
  {
    claim: "a link that is down refuses routes, and taking it down takes them",
    check: async (lab) => {
      const { port, link } = lab;
      await withRoutes(lab, ours(link));
      await lab.setLinkDown();
      const left = ours(link).filter(({ type }) => type === "unreachable");
      assert.deepEqual(byText(await port.routes([])), byText(left));
      const [route] = ours(link);
      assert(route !== undefined);
      await refusal(port.addRoute(route, { replace: false }), ERRNO.ENETDOWN);
    },
  },
  {
    claim: "with the link gone only unreachable routes are left",
    check: async (lab) => {
      const { port, link } = lab;
      await withRoutes(lab, ours(link));
      await lab.deleteLink();
      assert.equal(await port.link(link), null);
      const left = ours(link).filter(({ type }) => type === "unreachable");
      assert.deepEqual(byText(await port.routes([])), byText(left));
    },
  },
  {
    claim: "hostFacts() leaves out the link that it is asked about",
    check: async ({ port, link }) => {
      await port.addAddress(link, ADDRESS_4);
      const { addresses, ipv6 } = await port.hostFacts(link);
      assert.equal(ipv6, true);
      assert.deepEqual(addresses.filter((it) => it.link === link), []);
    },
  },
];

/** Give the link its addresses and these routes, and see them there. */
async function withRoutes(
  { port, link }: RouteLab,
  routes: readonly Route[],
): Promise<void> {
  await port.addAddress(link, ADDRESS_4);
  await port.addAddress(link, ADDRESS_6);
  for (const route of routes) await port.addRoute(route, { replace: false });
  assert.deepEqual(byText(await port.routes([])), byText(routes));
}

function byText(routes: readonly Route[]): readonly Route[] {
  const text = (route: Route): string => `${route.destination} ${route.metric}`;
  return routes.toSorted((a, b) => text(a) < text(b) ? -1 : 1);
}

function sorted<T extends string>(texts: readonly T[]): readonly T[] {
  return texts.toSorted();
}

async function refusal(
  work: Promise<unknown>,
  ...errnos: readonly number[]
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(error instanceof KernelError, Deno.inspect(error));
    assert(errnos.includes(error.errno), error.message);
    assert.match(error.message, /^Cannot [a-z]/);
    return true;
  });
}

/**
 * The RoutePort of this kernel, in the network namespace of this process.
 *
 * Links travel by name; their numbers are looked up for each errand and
 * forgotten, because a link made again has another one.
 *
 * @module
 */

import {
  type Address,
  type LinkAddress,
  parseAddress,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "../core/address.ts";
import { ERRNO, KernelError } from "../core/errors.ts";
import {
  type HostFacts,
  type Link,
  type Route,
  ROUTE_PROTOCOL,
} from "../core/state.ts";
import {
  addAddress,
  type AddressRecord,
  decodeAddress,
  dumpAddresses,
  removeAddress,
  RT_SCOPE_UNIVERSE,
} from "../wire/ifaddr.ts";
import {
  createLink,
  decodeLink,
  deleteLink,
  dumpLinks,
  getLink,
  type LinkRecord,
  setLinkAlias,
  setLinkMtu,
  setLinkUp,
} from "../wire/link.ts";
import { NETLINK_ROUTE, type Request } from "../wire/netlink.ts";
import {
  addRoute,
  decodeRoute,
  dumpRoutes,
  removeRoute,
  type RouteRecord,
  RT_TABLE_MAIN,
  RTPROT_RA,
} from "../wire/route.ts";
import { NetlinkSocket } from "./netlink_socket.ts";
import type { Shim } from "./shim.ts";
import { ProcSysctl } from "./sysctl.ts";

export class Rtnetlink {
  readonly #shim: Shim;

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  async link(name: string): Promise<Link | null> {
    try {
      const { kind, alias, mtu, up } = await this.#link(name);
      return { kind, alias, mtu, up };
    } catch (error) {
      if (error instanceof KernelError && error.errno === ERRNO.ENODEV) {
        return null;
      }
      throw error;
    }
  }

  createLink(name: string): Promise<void> {
    return this.#request(
      createLink(name, "wireguard"),
      `add link ${name} type wireguard`,
    );
  }

  removeLink(name: string): Promise<void> {
    return this.#request(deleteLink(name), `remove link ${name}`);
  }

  setLinkAlias(name: string, alias: string): Promise<void> {
    return this.#request(
      setLinkAlias(name, alias),
      `set link ${name} alias ${alias}`,
    );
  }

  setLinkMtu(name: string, mtu: number): Promise<void> {
    return this.#request(setLinkMtu(name, mtu), `set link ${name} mtu ${mtu}`);
  }

  setLinkUp(name: string): Promise<void> {
    return this.#request(setLinkUp(name), `set link ${name} up`);
  }

  async addresses(link: string): Promise<readonly LinkAddress[]> {
    const { index } = await this.#link(link);
    const all = await this.#dump(
      dumpAddresses(),
      "list addresses",
      decodeAddress,
    );
    return all.filter((it) =>
      it.index === index && it.scope === RT_SCOPE_UNIVERSE
    ).map(addressText);
  }

  async addAddress(link: string, address: LinkAddress): Promise<void> {
    const { index } = await this.#link(link);
    await this.#request(
      addAddress({ index, ...splitAddress(address) }),
      `add address ${address} dev ${link}`,
    );
  }

  async removeAddress(link: string, address: LinkAddress): Promise<void> {
    const { index } = await this.#link(link);
    await this.#request(
      removeAddress({ index, ...splitAddress(address) }),
      `remove address ${address} dev ${link}`,
    );
  }

  async routes(destinations: readonly Prefix[]): Promise<readonly Route[]> {
    const wanted = new Set(destinations);
    const found = (await this.#mainRoutes()).filter((route) =>
      route.protocol === ROUTE_PROTOCOL || wanted.has(route.destination)
    );
    const named = found.some(({ hops }) => hops.length > 0);
    const links = named ? await this.#links() : new Map<number, LinkRecord>();
    return found.map((route) => toRoute(route, links));
  }

  async addRoute(
    route: Route,
    options: { readonly replace: boolean },
  ): Promise<void> {
    const verb = options.replace ? "replace" : "add";
    const index = await this.#indexFor(route);
    await this.#request(
      addRoute(route, { index, replace: options.replace }),
      `${verb} route ${routeText(route)}`,
    );
  }

  async removeRoute(route: Route): Promise<void> {
    const index = await this.#indexFor(route);
    await this.#request(
      removeRoute(route, { index }),
      `remove route ${routeText(route)}`,
    );
  }

  async hostFacts(link: string): Promise<HostFacts> {
    const links = await this.#links();
    const addresses = await this.#dump(
      dumpAddresses(),
      "list addresses",
      decodeAddress,
    );
    const defaults = (await this.#mainRoutes()).filter((route) =>
      route.type === "unicast" && prefixBits(route.destination) === 0
    ).sort((a, b) => a.metric - b.metric);
    const hops = defaults.flatMap((route) => route.hops);
    const nameOf = (index: number): string => links.get(index)?.name ?? "";
    return {
      addresses: addresses.flatMap((it) => {
        const owner = links.get(it.index);
        if (owner === undefined || owner.name === link) return [];
        const { name, kind, mtu } = owner;
        const { address, bits } = it;
        return [{ link: name, kind, address, bits, mtu }];
      }),
      defaultMtu: hops.map(({ index }) => links.get(index)?.mtu)
        .find((mtu) => mtu !== undefined),
      gateways: unique(hops.flatMap(({ gateway }) => gateway ?? [])),
      raLinks: unique(
        defaults.filter(({ protocol }) => protocol === RTPROT_RA)
          .flatMap((route) => route.hops.map(({ index }) => nameOf(index))),
      ),
      ipv6: await this.#hasIpv6(link),
    };
  }

  /** Neither booted without it nor switched off for the link (or for new ones). */
  async #hasIpv6(link: string): Promise<boolean> {
    const sysctl = new ProcSysctl(this.#shim);
    const off = await sysctl.read(`net/ipv6/conf/${link}/disable_ipv6`) ??
      await sysctl.read("net/ipv6/conf/default/disable_ipv6");
    return off === "0";
  }

  #link(name: string): Promise<LinkRecord> {
    return this.#get(getLink(name), `read link ${name}`, decodeLink);
  }

  /** All of this network namespace, with their numbers. */
  async links(): Promise<readonly LinkRecord[]> {
    return [...(await this.#links()).values()];
  }

  async #links(): Promise<ReadonlyMap<number, LinkRecord>> {
    const all = await this.#dump(dumpLinks(), "list links", decodeLink);
    return new Map(all.map((link) => [link.index, link]));
  }

  async #mainRoutes(): Promise<readonly RouteRecord[]> {
    const all = await this.#dump(dumpRoutes(), "list routes", decodeRoute);
    return all.filter(({ table, cloned }) =>
      table === RT_TABLE_MAIN && !cloned
    );
  }

  async #indexFor(route: Route): Promise<number | undefined> {
    const { type, device } = route;
    if (type === "unreachable" || device === undefined) return undefined;
    return (await this.#link(device)).index;
  }

  async #request(request: Request, what: string): Promise<void> {
    using socket = new NetlinkSocket(this.#shim, NETLINK_ROUTE);
    await socket.request(request, what);
  }

  async #get<T>(
    request: Request,
    what: string,
    decode: (payload: Uint8Array) => T,
  ): Promise<T> {
    using socket = new NetlinkSocket(this.#shim, NETLINK_ROUTE);
    const value = await socket.request(request, what, decode);
    if (value === undefined) {
      throw new KernelError(`Cannot ${what}: no answer`, ERRNO.EIO);
    }
    return value;
  }

  /** An incomplete one will do: what is missing is added, and then said to be there. */
  async #dump<T>(
    request: Request,
    what: string,
    decode: (payload: Uint8Array) => T | undefined,
  ): Promise<readonly T[]> {
    using socket = new NetlinkSocket(this.#shim, NETLINK_ROUTE);
    return (await socket.dump(request, what, decode)).values;
  }
}

function toRoute(
  record: RouteRecord,
  links: ReadonlyMap<number, LinkRecord>,
): Route {
  const { destination, type, source, metric, protocol, hops } = record;
  const [hop, ...more] = hops;
  const plain = more.length === 0 && hop?.gateway === undefined;
  return {
    destination,
    // One with a gateway is somebody else's, even if it has our number.
    type: type === "unicast" && !plain ? "other" : type,
    device: hop === undefined ? undefined : links.get(hop.index)?.name,
    source,
    metric,
    protocol,
  };
}

/** What ip(8) would say of it. */
function routeText(route: Route): string {
  const { type, destination, device, source, metric } = route;
  return [
    type === "unreachable" ? `unreachable ${destination}` : destination,
    device === undefined ? "" : ` dev ${device}`,
    source === undefined ? "" : ` src ${source}`,
    metric === 0 ? "" : ` metric ${metric}`,
  ].join("");
}

/** With its host bits where it has any: so it must be named to be removed. */
function addressText({ address, bits }: AddressRecord): LinkAddress {
  return `${address}/${bits}` as LinkAddress;
}

function splitAddress(
  text: LinkAddress,
): { readonly address: Address; readonly bits: number } {
  return {
    address: parseAddress(prefixAddress(text)),
    bits: prefixBits(text),
  };
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

/**
 * RoutePort in memory.
 *
 * @module
 */

import type { RoutePort } from "../../mod/agent/ports.ts";
import {
  addressBytes,
  familyOf,
  type LinkAddress,
  makePrefix,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "../../mod/core/address.ts";
import {
  type HostFacts,
  type Link,
  type Route,
  ROUTE_PROTOCOL,
} from "../../mod/core/state.ts";
import { FAKE_ERRNO, type FakeMachine, refuse } from "./machine.ts";

/** include/uapi/linux/ipv6_route.h: what an IPv6 route without a metric gets. */
const IP6_RT_PRIO_USER = 1024;

/** include/uapi/linux/if.h: room for the terminating zero included. */
const IFNAMSIZ = 16;

/** include/uapi/linux/if.h */
const IFALIASZ = 256;

export class FakeRoutes implements RoutePort {
  readonly #machine: FakeMachine;

  constructor(machine: FakeMachine) {
    this.#machine = machine;
  }

  async link(name: string): Promise<Link | null> {
    await this.#read(`link ${name}`);
    const link = this.#machine.links.get(name);
    if (link === undefined) return null;
    const { kind, alias, mtu, up } = link;
    return { kind, alias, mtu, up };
  }

  async createLink(name: string): Promise<void> {
    await this.#write(`create-link ${name}`);
    if (name === "" || name.length >= IFNAMSIZ || /[/\s]/.test(name)) {
      refuse("create link", name, FAKE_ERRNO.EINVAL);
    }
    if (this.#machine.links.has(name)) {
      refuse("create link", name, FAKE_ERRNO.EEXIST);
    }
    if (!this.#machine.can.wireguard) {
      refuse("create link", name, FAKE_ERRNO.EOPNOTSUPP);
    }
    this.#machine.addLink(name, "wireguard");
    this.#machine.changed();
  }

  async setLinkAlias(name: string, alias: string): Promise<void> {
    await this.#write(`set-link-alias ${name} ${alias}`);
    const link = this.#machine.link(name);
    if (new TextEncoder().encode(alias).length >= IFALIASZ) {
      refuse("set alias of", name, FAKE_ERRNO.EINVAL);
    }
    link.alias = alias;
    this.#machine.changed();
  }

  async setLinkMtu(name: string, mtu: number): Promise<void> {
    await this.#write(`set-link-mtu ${name} ${mtu}`);
    const link = this.#machine.link(name);
    if (!Number.isInteger(mtu) || mtu < 68 || mtu > 0x7fff_ffff) {
      refuse("set MTU of", name, FAKE_ERRNO.EINVAL);
    }
    link.mtu = mtu;
    this.#machine.changed();
  }

  async setLinkUp(name: string): Promise<void> {
    await this.#write(`set-link-up ${name}`);
    const link = this.#machine.link(name);
    if (link.up) return;
    const { device } = link;
    if (device !== undefined) {
      if (this.#machine.busyPorts.has(device.listenPort)) {
        refuse("set link up", name, FAKE_ERRNO.EADDRINUSE);
      }
      if (device.listenPort === 0) device.listenPort = 40_000;
    }
    link.up = true;
    this.#machine.changed();
  }

  async addresses(link: string): Promise<readonly LinkAddress[]> {
    await this.#read(`addresses ${link}`);
    return [...this.#machine.link(link).addresses];
  }

  async addAddress(name: string, address: LinkAddress): Promise<void> {
    await this.#write(`add-address ${name} ${address}`);
    const link = this.#machine.link(name);
    this.#needFamily("add address", address);
    if (link.addresses.has(address)) {
      refuse("add address", address, FAKE_ERRNO.EEXIST);
    }
    link.addresses.add(address);
    this.#machine.changed();
  }

  async removeAddress(name: string, address: LinkAddress): Promise<void> {
    await this.#write(`remove-address ${name} ${address}`);
    const link = this.#machine.link(name);
    if (!link.addresses.has(address)) {
      refuse("remove address", address, FAKE_ERRNO.EADDRNOTAVAIL);
    }
    this.#machine.deleteAddress(link, address);
    this.#machine.changed();
  }

  async routes(destinations: readonly Prefix[]): Promise<readonly Route[]> {
    await this.#read("routes");
    return this.#machine.routes.filter(({ protocol, destination }) =>
      protocol === ROUTE_PROTOCOL || destinations.includes(destination)
    );
  }

  /** NLM_F_CREATE with NLM_F_EXCL or NLM_F_REPLACE; the kernel replaces whoever's route it is. */
  async addRoute(
    route: Route,
    options: { readonly replace: boolean },
  ): Promise<void> {
    const verb = options.replace ? "replace-route" : "add-route";
    await this.#write(`${verb} ${routeKey(route)}`);
    this.#checkRoute(route);
    const added = canonicalRoute(route);
    const { routes } = this.#machine;
    const at = routes.findIndex((other) => routeKey(other) === routeKey(added));
    if (at >= 0 && !options.replace) {
      refuse("add route", routeKey(route), FAKE_ERRNO.EEXIST);
    }
    if (at < 0) routes.push(added);
    else routes[at] = added;
    this.#machine.changed();
  }

  /** Matches what the message carries: destination, metric, type, protocol, device. */
  async removeRoute(route: Route): Promise<void> {
    await this.#write(`remove-route ${routeKey(route)}`);
    this.#needFamily("remove route", route.destination);
    const wanted = canonicalRoute(route);
    const { routes } = this.#machine;
    const at = routes.findIndex((other) =>
      routeKey(other) === routeKey(wanted) && other.type === wanted.type &&
      other.protocol === wanted.protocol &&
      (wanted.device === undefined || other.device === wanted.device)
    );
    if (at < 0) refuse("remove route", routeKey(route), FAKE_ERRNO.ESRCH);
    routes.splice(at, 1);
    this.#machine.changed();
  }

  async hostFacts(link: string): Promise<HostFacts> {
    await this.#read(`host facts ${link}`);
    const { host } = this.#machine;
    const addresses = host.addresses.filter((it) => it.link !== link);
    return { ...host, addresses };
  }

  #checkRoute(route: Route): void {
    const text = routeKey(route);
    this.#needFamily("add route", route.destination);
    if (route.type === "unicast") {
      if (route.device === undefined) {
        refuse("add route", text, FAKE_ERRNO.ENODEV);
      }
      const link = this.#machine.link(route.device);
      if (!link.up) refuse("add route", text, FAKE_ERRNO.ENETDOWN);
    }
    if (route.source !== undefined && !this.#machine.isLocal(route.source)) {
      refuse("add route", text, FAKE_ERRNO.EINVAL);
    }
  }

  #needFamily(action: string, prefix: LinkAddress): void {
    if (familyOf(prefix) === 6 && !this.#machine.can.ipv6) {
      refuse(action, prefix, FAKE_ERRNO.EOPNOTSUPP);
    }
  }

  // A turn of the event loop, so that a caller that forgets to wait is found out.
  async #read(text: string): Promise<void> {
    await Promise.resolve();
    this.#machine.enter({ kind: "read", text: `read ${text}` });
  }

  async #write(text: string): Promise<void> {
    await Promise.resolve();
    this.#machine.enter({ kind: "write", text });
  }
}

/** Family, destination and metric as text: what makes two routes the same one. */
function routeKey(route: Route): string {
  const { destination, metric } = canonicalRoute(route);
  return `${destination} metric ${metric}`;
}

function canonicalRoute(route: Route): Route {
  const { destination } = route;
  const bytes = addressBytes(prefixAddress(destination));
  const metric = route.metric === 0 && familyOf(destination) === 6
    ? IP6_RT_PRIO_USER
    : route.metric;
  const masked = makePrefix(bytes, prefixBits(destination));
  return { ...route, destination: masked, metric };
}

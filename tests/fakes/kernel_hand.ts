/**
 * What a person (or another program) does to the fake kernel behind the
 * agent's back: no faults strike here, and nothing is counted as a write.
 *
 * @module
 */

import { type LinkAddress } from "../../mod/core/address.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import type { ForwardDrop } from "../../mod/core/forward.ts";
import type { Table } from "../../mod/core/nftables.ts";
import type { HostFacts, Peer, Route } from "../../mod/core/state.ts";
import { setSysctl } from "./kernel_sysctl.ts";
import { emptyPeer, give, removePeer } from "./kernel_wireguard.ts";
import {
  FAKE_ERRNO,
  type FakeDevice,
  type FakeMachine,
  refuse,
} from "./machine.ts";

export class FakeHand {
  readonly #machine: FakeMachine;

  constructor(machine: FakeMachine) {
    this.#machine = machine;
  }

  /** `ip link add NAME type KIND` */
  addLink(name: string, kind: string): void {
    this.#machine.addLink(name, kind);
    this.#machine.changed();
  }

  /** `wireguard-go NAME` */
  startProgram(name: string): void {
    this.addLink(name, "tun");
  }

  /** `ip link del NAME` */
  deleteLink(name: string): void {
    this.#machine.deleteLink(this.#machine.link(name));
    this.#machine.changed();
  }

  /** `ip link set NAME down` */
  setLinkDown(name: string): void {
    this.#machine.takeDown(this.#machine.link(name));
    this.#machine.changed();
  }

  /** `ip link set NAME up`, for links that are not WireGuard's. */
  setLinkUp(name: string): void {
    this.#machine.link(name).up = true;
    this.#machine.changed();
  }

  /** `ip link set NAME mtu MTU`, `alias ALIAS` */
  editLink(
    name: string,
    edit: { readonly mtu?: number; readonly alias?: string },
  ): void {
    Object.assign(this.#machine.link(name), edit);
    this.#machine.changed();
  }

  /** `ip address add` */
  addAddress(link: string, address: LinkAddress): void {
    this.#machine.link(link).addresses.add(address);
    this.#machine.changed();
  }

  /** `ip address del` */
  removeAddress(link: string, address: LinkAddress): void {
    this.#machine.deleteAddress(this.#machine.link(link), address);
    this.#machine.changed();
  }

  /** `ip route add`: as it stands, without the checks. */
  addRoute(route: Route): void {
    this.#machine.routes.push(route);
    this.#machine.changed();
  }

  /** `ip route flush` of those that match. */
  removeRoutes(goes: (route: Route) => boolean): void {
    this.#machine.dropRoutes(goes);
    this.#machine.changed();
  }

  /** Every route in table main, foreign ones included. */
  get routes(): readonly Route[] {
    return this.#machine.routes;
  }

  /** `sysctl -w` */
  setSysctl(name: string, value: string): void {
    setSysctl(this.#machine, name, value);
  }

  /** `iptables -P FORWARD DROP`, `-I FORWARD … -j ACCEPT` */
  setForwardDrops(drops: readonly ForwardDrop[]): void {
    this.#machine.forwardDrops = drops;
    this.#machine.changed();
  }

  /** `nft flush ruleset` */
  flushRuleset(): void {
    this.#machine.tables.clear();
    this.#machine.changed();
  }

  /** `nft …` on one table, ours or another's. */
  setTable(table: Table): void {
    this.#machine.tables.set(table.name, table);
    this.#machine.changed();
  }

  /** Every table, foreign ones included. */
  get tables(): ReadonlyMap<string, Table> {
    return this.#machine.tables;
  }

  /** `wg set LINK peer KEY …`; the fields that are absent stay. */
  setPeer(
    link: string,
    peer: Partial<Peer> & { readonly publicKey: PublicKey },
  ): void {
    const device = this.#device(link);
    const { publicKey, allowedIps = [], ...rest } = peer;
    const old = device.peers.get(publicKey) ?? emptyPeer(publicKey);
    device.peers.set(publicKey, { ...old, ...rest });
    for (const prefix of allowedIps) give(device, prefix, publicKey);
  }

  /** `wg set LINK peer KEY remove` */
  removePeer(link: string, publicKey: PublicKey): void {
    removePeer(this.#device(link), publicKey);
  }

  /** `wg set LINK private-key …` by somebody else, without a change of peers. */
  setDeviceKey(link: string, publicKey: PublicKey | null): void {
    this.#device(link).publicKey = publicKey;
  }

  setDevicePort(link: string, port: number): void {
    this.#device(link).listenPort = port;
  }

  /** Another program binds a UDP port. Returns what frees it again. */
  occupyPort(port: number): () => void {
    this.#machine.busyPorts.add(port);
    return () => this.#machine.busyPorts.delete(port);
  }

  /** The machine's own addresses, gateways, MTU change. */
  setHost(host: Partial<HostFacts>): void {
    this.#machine.host = { ...this.#machine.host, ...host };
    this.#machine.changed();
  }

  #device(link: string): FakeDevice {
    const { device } = this.#machine.link(link);
    return device ?? refuse("edit device", link, FAKE_ERRNO.EOPNOTSUPP);
  }
}

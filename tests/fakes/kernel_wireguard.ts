/**
 * WireGuardPort in memory, with the semantics of drivers/net/wireguard/netlink.c:
 * an AllowedIP given to a second peer moves without a word, and a peer that
 * goes takes its AllowedIPs with it, those that it got from another included.
 *
 * Invariant: a prefix is in `allowedIps` of exactly the peer that `owners` names.
 *
 * @module
 */

import type { WireGuardPort, WireGuardState } from "../../mod/agent/ports.ts";
import {
  addressBytes,
  makePrefix,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "../../mod/core/address.ts";
import {
  derivePublicKey,
  type PrivateKey,
  type PublicKey,
} from "../../mod/core/key.ts";
import type { Peer, PeerChange } from "../../mod/core/state.ts";
import { NO_TRAFFIC, type PeerTraffic } from "../../mod/core/traffic.ts";
import {
  FAKE_ERRNO,
  type FakeDevice,
  type FakeMachine,
  refuse,
} from "./machine.ts";

export class FakeWireGuard implements WireGuardPort {
  readonly kind: "kernel" | "userspace";
  readonly #machine: FakeMachine;
  #interrupted = 0;

  constructor(machine: FakeMachine, kind: "kernel" | "userspace") {
    this.#machine = machine;
    this.kind = kind;
  }

  /** The next so many reads come back with `complete: false`, cut in half. */
  interruptReads(times: number): void {
    this.#interrupted = times;
  }

  async read(link: string): Promise<WireGuardState> {
    await Promise.resolve();
    this.#machine.enter({ kind: "read", text: `read device ${link}` });
    const { publicKey, listenPort, peers } = deviceOf(this.#machine, link);
    const device = { publicKey, listenPort };
    if (this.#interrupted === 0) {
      return { device, peers: new Map(peers), complete: true };
    }
    this.#interrupted--;
    const half = [...peers].slice(0, Math.floor(peers.size / 2));
    return { device, peers: new Map(half), complete: false };
  }

  async traffic(link: string): Promise<ReadonlyMap<PublicKey, PeerTraffic>> {
    await Promise.resolve();
    this.#machine.enter({ kind: "read", text: `read traffic ${link}` });
    const { peers, traffic } = deviceOf(this.#machine, link);
    return new Map(
      peers.values().map(({ publicKey, endpoint }) => [
        publicKey,
        traffic.get(publicKey) ?? { ...NO_TRAFFIC, endpoint },
      ]),
    );
  }

  async setPrivateKey(link: string, key: PrivateKey): Promise<void> {
    const publicKey = await derivePublicKey(key);
    this.#machine.enter({ kind: "write", text: `set-private-key ${link}` });
    const device = deviceOf(this.#machine, link);
    removePeer(device, publicKey);
    device.publicKey = publicKey;
  }

  async setListenPort(link: string, port: number): Promise<void> {
    await Promise.resolve();
    this.#machine.enter({
      kind: "write",
      text: `set-listen-port ${link} ${port}`,
    });
    const device = deviceOf(this.#machine, link);
    if (device.listenPort === port) return;
    const bound = this.#machine.links.get(link)?.up === true;
    if (bound && this.#machine.busyPorts.has(port)) {
      refuse("set listen port of", link, FAKE_ERRNO.EADDRINUSE);
    }
    device.listenPort = port;
  }

  async changePeers(
    link: string,
    changes: readonly PeerChange[],
  ): Promise<void> {
    await Promise.resolve();
    for (const change of changes) {
      this.#machine.enter({
        kind: "write",
        text: `${change.kind} ${change.publicKey}`,
      });
      applyChange(deviceOf(this.#machine, link), change);
    }
  }
}

function deviceOf(machine: FakeMachine, link: string): FakeDevice {
  const { device } = machine.link(link);
  if (device === undefined) {
    refuse("read WireGuard device", link, FAKE_ERRNO.EOPNOTSUPP);
  }
  return device;
}

function applyChange(device: FakeDevice, change: PeerChange): void {
  switch (change.kind) {
    case "remove-peer":
      removePeer(device, change.publicKey);
      return;
    case "set-peer":
      if (change.replaces !== undefined) removePeer(device, change.replaces);
      setPeer(device, change);
  }
}

function setPeer(
  device: FakeDevice,
  change: PeerChange & { readonly kind: "set-peer" },
): void {
  const { publicKey } = change;
  const before = device.peers.get(publicKey);
  if (before === undefined) {
    if (!change.create) return;
    if (publicKey === device.publicKey) return;
  }
  const old = before ?? emptyPeer(publicKey);
  device.peers.set(publicKey, {
    ...old,
    endpoint: change.endpoint ?? old.endpoint,
    keepaliveSeconds: change.keepaliveSeconds ?? old.keepaliveSeconds,
    presharedKey: old.presharedKey && !change.clearPresharedKey,
  });
  for (const prefix of change.addAllowedIps) give(device, prefix, publicKey);
  for (const prefix of change.removeAllowedIps) take(device, prefix, publicKey);
}

export function emptyPeer(publicKey: PublicKey): Peer {
  return {
    publicKey,
    endpoint: undefined,
    allowedIps: [],
    keepaliveSeconds: 0,
    presharedKey: false,
  };
}

/** The prefix leaves whoever has it. */
export function give(device: FakeDevice, text: Prefix, to: PublicKey): void {
  const prefix = masked(text);
  const from = device.owners.get(prefix);
  if (from === to) return;
  if (from !== undefined) take(device, prefix, from);
  const peer = device.peers.get(to);
  if (peer === undefined) return;
  device.owners.set(prefix, to);
  const allowedIps = [...peer.allowedIps, prefix].sort();
  device.peers.set(to, { ...peer, allowedIps });
}

/** Only from that peer; another's stays. */
export function take(device: FakeDevice, text: Prefix, from: PublicKey): void {
  const prefix = masked(text);
  if (device.owners.get(prefix) !== from) return;
  device.owners.delete(prefix);
  const peer = device.peers.get(from);
  if (peer === undefined) return;
  const allowedIps = peer.allowedIps.filter((other) => other !== prefix);
  device.peers.set(from, { ...peer, allowedIps });
}

export function removePeer(device: FakeDevice, publicKey: PublicKey): void {
  for (const prefix of device.peers.get(publicKey)?.allowedIps ?? []) {
    device.owners.delete(prefix);
  }
  device.peers.delete(publicKey);
  device.traffic.delete(publicKey);
}

function masked(prefix: Prefix): Prefix {
  return makePrefix(addressBytes(prefixAddress(prefix)), prefixBits(prefix));
}

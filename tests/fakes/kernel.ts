/**
 * A kernel in memory: links, addresses, routes, sysctls and WireGuard as state
 * machines that do what the real ones do, the unpleasant parts included. It is
 * the oracle of the planner's and the loop's tests, and passes the contracts
 * that the real ports pass.
 *
 *     const kernel = new FakeKernel();
 *     kernel.routes     RoutePort
 *     kernel.wireguard  WireGuardPort
 *     kernel.sysctl     SysctlPort
 *     kernel.tables     TablePort
 *     kernel.hand       what a person does with ip, wg and sysctl meanwhile
 *     kernel.inject(…)  the next operations fail
 *     kernel.writes     what was asked of it, as text
 *
 * @module
 */

import type { HostFacts } from "../../mod/core/state.ts";
import { FakeMachine, type Fault } from "./machine.ts";
import { FakeHand } from "./kernel_hand.ts";
import { FakeRoutes } from "./kernel_routes.ts";
import { FakeSysctl } from "./kernel_sysctl.ts";
import { FakeTables } from "./kernel_tables.ts";
import { FakeWireGuard } from "./kernel_wireguard.ts";

export interface FakeKernelOptions {
  /** "userspace": links cannot be created; `hand.startProgram()` makes one. */
  readonly kind?: "kernel" | "userspace";
  /** `false`: `createLink()` says EOPNOTSUPP, as a kernel without the module does. */
  readonly wireguard?: boolean;
  /** `false`: as booted with `ipv6.disable=1`. */
  readonly ipv6?: boolean;
  /** `false`: no tables, and `replace()` says EOPNOTSUPP. */
  readonly nftables?: boolean;
  readonly host?: Partial<HostFacts>;
}

export class FakeKernel {
  readonly machine: FakeMachine;
  readonly routes: FakeRoutes;
  readonly wireguard: FakeWireGuard;
  readonly sysctl: FakeSysctl;
  readonly tables: FakeTables;
  readonly hand: FakeHand;

  constructor(options: FakeKernelOptions = {}) {
    const { kind = "kernel", ipv6 = true, nftables = true } = options;
    const wireguard = options.wireguard ?? kind === "kernel";
    this.machine = new FakeMachine({ wireguard, ipv6, nftables }, options.host);
    this.wireguard = new FakeWireGuard(this.machine, kind);
    this.routes = new FakeRoutes(this.machine);
    this.sysctl = new FakeSysctl(this.machine);
    this.tables = new FakeTables(this.machine);
    this.hand = new FakeHand(this.machine);
  }

  /** Every attempt to change something, in order, failed ones included. */
  get writes(): readonly string[] {
    return this.machine.writes;
  }

  forgetWrites(): void {
    this.machine.writes.length = 0;
  }

  /** See `Fault`; several may wait, the first that matches strikes. */
  inject(fault: Fault): void {
    this.machine.faults.push({ skip: 0, times: 1, ...fault });
  }

  /** Forget the faults that have not struck yet. */
  heal(): void {
    this.machine.faults.length = 0;
    this.wireguard.interruptReads(0);
  }

  /** As netlink would: after every change, by whomever; never for peers. Returns an unsubscriber. */
  subscribe(listener: () => void): () => void {
    this.machine.listeners.add(listener);
    return () => this.machine.listeners.delete(listener);
  }
}

/**
 * SysctlPort in memory.
 *
 * @module
 */

import type { SysctlPort } from "../../mod/agent/ports.ts";
import { FAKE_ERRNO, type FakeMachine, refuse } from "./machine.ts";

export class FakeSysctl implements SysctlPort {
  readonly #machine: FakeMachine;

  constructor(machine: FakeMachine) {
    this.#machine = machine;
  }

  async read(name: string): Promise<string | undefined> {
    await Promise.resolve();
    this.#machine.enter({ kind: "read", text: `read sysctl ${name}` });
    return this.#machine.sysctls.get(name);
  }

  async write(name: string, value: string): Promise<void> {
    await Promise.resolve();
    this.#machine.enter({ kind: "write", text: `set-sysctl ${name} ${value}` });
    if (!this.#machine.sysctls.has(name)) {
      refuse("write sysctl", name, FAKE_ERRNO.ENOENT);
    }
    if (!/^-?[0-9]{1,9}\s*$/.test(value)) {
      refuse("write sysctl", name, FAKE_ERRNO.EINVAL);
    }
    setSysctl(this.#machine, name, value.trim());
  }
}

/** With what the kernel does besides: `devinet_sysctl_forward()`, `addrconf_fixup_forwarding()`. */
export function setSysctl(
  machine: FakeMachine,
  name: string,
  value: string,
): void {
  const { sysctls } = machine;
  sysctls.set(name, value);
  const families: Readonly<Record<string, string>> = {
    "net/ipv4/ip_forward": "net/ipv4/conf/",
    "net/ipv4/conf/all/forwarding": "net/ipv4/conf/",
    "net/ipv6/conf/all/forwarding": "net/ipv6/conf/",
  };
  const below = families[name];
  if (below !== undefined) {
    if (below === "net/ipv4/conf/") sysctls.set("net/ipv4/ip_forward", value);
    for (const other of sysctls.keys()) {
      if (other.startsWith(below) && other.endsWith("/forwarding")) {
        sysctls.set(other, value);
      }
    }
  }
  dropRouterRoutes(machine);
  machine.changed();
}

/** A forwarding host does not believe router advertisements, unless `accept_ra` is 2. */
function dropRouterRoutes(machine: FakeMachine): void {
  const { sysctls, host } = machine;
  const raLinks = host.raLinks.filter((link) =>
    sysctls.get(`net/ipv6/conf/${link}/forwarding`) !== "1" ||
    sysctls.get(`net/ipv6/conf/${link}/accept_ra`) === "2"
  );
  if (raLinks.length < host.raLinks.length) {
    machine.host = { ...host, raLinks };
  }
}

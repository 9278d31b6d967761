/**
 * Rtnetlink, events and sysctls of the kernel of this machine, in a namespace.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { RoutePort, SysctlPort } from "../../mod/agent/ports.ts";
import { parseAddress, parsePrefix } from "../../mod/core/address.ts";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import type { Route } from "../../mod/core/state.ts";
import { watchKernel } from "../../mod/sys/events.ts";
import { Rtnetlink } from "../../mod/sys/rtnetlink.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { ProcSysctl } from "../../mod/sys/sysctl.ts";
import { routeContract, type RouteLab } from "../contract/routes.ts";
import { eventText } from "../../mod/wire/event.ts";
import { eventually } from "../support/eventually.ts";
import { inNamespace, ip } from "./in_namespace.ts";

const shim = await loadShim();
const port: RoutePort = new Rtnetlink(shim);
const sysctl: SysctlPort = new ProcSysctl(shim);

const LINK = "cn0";

/** One end of a pair: its other end is up, without addresses. */
async function makeLab(): Promise<RouteLab> {
  await ip("link", "add", LINK, "type", "veth", "peer", "cn1");
  await ip("link", "set", LINK, "addrgenmode", "none");
  for (const name of ["lo", "cn1", LINK]) await ip("link", "set", name, "up");
  return {
    port,
    link: LINK,
    kind: "veth",
    addForeignRoute: async (route: Route): Promise<void> => {
      const { destination, device = "", metric, protocol } = route;
      const rest = ["metric", `${metric}`, "proto", `${protocol}`];
      await ip("route", "add", destination, "dev", device, ...rest);
    },
    setLinkDown: async (): Promise<void> => {
      await ip("link", "set", LINK, "down");
    },
    deleteLink: async (): Promise<void> => {
      await ip("link", "del", LINK);
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await ip("link", "del", LINK).catch(() => undefined);
      await ip("-4", "route", "flush", "proto", "78");
      await ip("-6", "route", "flush", "proto", "78");
    },
  };
}

inNamespace(import.meta.url, () => {
  routeContract("rtnetlink", makeLab);

  Deno.test("Rtnetlink says what failed, on what, and why", async () => {
    await using _lab = await makeLab();
    await ip("link", "set", LINK, "down");
    const route: Route = {
      destination: parsePrefix("10.0.0.0/16"),
      type: "unicast",
      device: LINK,
      source: undefined,
      metric: 0,
      protocol: 78,
    };
    await assert.rejects(port.addRoute(route, { replace: false }), {
      name: "KernelError",
      message: /^Cannot add route 10\.0\.0\.0\/16 dev cn0: Network is down/,
    });
    await assert.rejects(port.setLinkMtu(LINK, 20), {
      message: "Cannot set link cn0 mtu 20: Invalid argument " +
        "(mtu less than device minimum)",
    });
  });

  Deno.test("Rtnetlink.hostFacts() reads addresses, gateways and MTU", async () => {
    await using _lab = await makeLab();
    await ip("link", "set", "cn1", "mtu", "1400");
    await ip("address", "add", "192.0.2.10/24", "dev", "cn1");
    await ip("address", "add", "2001:db8::a/64", "dev", "cn1", "nodad");
    await ip("route", "add", "default", "via", "192.0.2.1");
    const ra = ["dev", "cn1", "proto", "ra", "metric", "100"];
    await ip("-6", "route", "add", "default", "via", "fe80::1", ...ra);
    const facts = await port.hostFacts(LINK);
    assert.deepEqual(
      facts.addresses.filter((it) =>
        it.link === "cn1" && !it.address.startsWith("fe80:")
      ),
      [
        {
          link: "cn1",
          kind: "veth",
          address: "192.0.2.10",
          bits: 24,
          mtu: 1400,
        },
        {
          link: "cn1",
          kind: "veth",
          address: "2001:db8::a",
          bits: 64,
          mtu: 1400,
        },
      ],
    );
    assert.equal(facts.defaultMtu, 1400);
    assert.deepEqual(facts.gateways.toSorted(), ["192.0.2.1", "fe80::1"]);
    assert.deepEqual(facts.raLinks, ["cn1"]);
    assert.equal(facts.ipv6, true);
    await sysctl.write(`net/ipv6/conf/${LINK}/disable_ipv6`, "1");
    assert.equal((await port.hostFacts(LINK)).ipv6, false);
  });

  Deno.test("Rtnetlink reads a multipath route as somebody else's", async () => {
    await using _lab = await makeLab();
    await ip("address", "add", "192.0.2.10/24", "dev", "cn1");
    const hops = ["nexthop", "via", "192.0.2.1", "nexthop", "via", "192.0.2.2"];
    await ip("route", "add", "10.0.0.0/16", "proto", "78", ...hops);
    await ip("route", "add", "default", ...hops);
    const [route] = await port.routes([]);
    assert.equal(route?.type, "other");
    const { gateways } = await port.hostFacts(LINK);
    assert.deepEqual(gateways, [
      parseAddress("192.0.2.1"),
      parseAddress("192.0.2.2"),
    ]);
  });

  Deno.test("Rtnetlink reads 3,000 routes whole", async () => {
    await using _lab = await makeLab();
    const lines = Array.from(
      { length: 3000 },
      (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 dev ${LINK} proto 78\n`,
    );
    await batch(lines.join(""));
    const routes = await port.routes([]);
    assert.equal(routes.length, 3000);
    assert.equal(new Set(routes.map((it) => it.destination)).size, 3000);
    assert(routes.every((it) => it.device === LINK && it.type === "unicast"));
  });

  Deno.test("Rtnetlink leaves no descriptor open", async () => {
    await using _lab = await makeLab();
    const count = (): number => [...Deno.readDirSync("/proc/self/fd")].length;
    await port.hostFacts(LINK);
    const before = count();
    for (let n = 0; n < 20; n++) {
      await port.hostFacts(LINK);
      await port.setLinkMtu("cn-none", 1400).catch(() => undefined);
    }
    assert.equal(count(), before);
  });

  Deno.test("watchKernel() rings for links, addresses, routes and forwarding", async () => {
    await using _lab = await makeLab();
    const stop = new AbortController();
    const rings: string[] = [];
    const ready = Promise.withResolvers<void>();
    const watching = watchKernel(shim, {
      signal: stop.signal,
      ring: (event) => rings.push(eventText(event)),
      ready: ready.resolve,
    });
    await ready.promise;
    await port.addAddress(LINK, parsePrefix("10.0.1.1/32"));
    await ip("route", "add", "10.0.0.0/16", "dev", LINK);
    await ip("link", "set", LINK, "mtu", "1300");
    await sysctl.write("net/ipv4/ip_forward", "1");
    await sysctl.write("net/ipv6/conf/all/forwarding", "1");
    await ip("link", "del", LINK);
    await eventually(() => rings.includes(`link ${LINK} removed`));
    for (
      const what of [
        "address 10.0.1.1",
        "route 10.0.0.0/16",
        `link ${LINK}`,
        "forwarding of IPv4",
        "forwarding of IPv6",
        "address 10.0.1.1 removed",
      ]
    ) assert(rings.includes(what), `${what} is not in ${rings.join(", ")}`);
    stop.abort();
    await watching;
  });

  Deno.test("watchKernel() rings once more when events were lost", async () => {
    await using _lab = await makeLab();
    const stop = new AbortController();
    const rings = new Set<string>();
    const ready = Promise.withResolvers<void>();
    const watching = watchKernel(shim, {
      signal: stop.signal,
      ring: ({ kind }) => rings.add(kind),
      ready: ready.resolve,
    });
    await ready.promise;
    const lines = Array.from(
      { length: 12_000 },
      (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 dev ${LINK}\n`,
    );
    // Held up on purpose: the batch ends before the first event is read.
    batchSync(lines.join(""));
    await eventually(() => rings.has("lost"));
    stop.abort();
    await watching;
  });

  Deno.test("watchKernel() ends at once when it is told to", async () => {
    const stop = new AbortController();
    const watching = watchKernel(shim, {
      signal: stop.signal,
      ring: () => undefined,
    });
    stop.abort();
    await watching;
    await watchKernel(shim, { signal: stop.signal, ring: () => undefined });
  });

  Deno.test("ProcSysctl reads what it wrote, and says what is not there", async () => {
    for (const value of ["1", "0"]) {
      await sysctl.write("net/ipv4/ip_forward", value);
      assert.equal(await sysctl.read("net/ipv4/ip_forward"), value);
    }
    assert.equal(await sysctl.read("net/ipv4/no_such_thing"), undefined);
    await assert.rejects(sysctl.write("net/ipv4/no_such_thing", "1"), {
      message:
        "Cannot set sysctl net/ipv4/no_such_thing to 1: No such file or directory",
    });
    await assert.rejects(
      sysctl.write("net/ipv4/ip_forward", "many"),
      (error) => error instanceof KernelError && error.errno === ERRNO.EINVAL,
    );
    await assert.rejects(sysctl.read("../../etc/passwd"));
    await assert.rejects(sysctl.read("net/../kernel/ostype"));
  });

  Deno.test("ProcSysctl finds the network's settings where they are mounted", async () => {
    const mounted = new ProcSysctl(shim, "/proc/self/root/proc/sys/net");
    mounted.refuseWithout();
    for (const value of ["1", "0"]) {
      await mounted.write("net/ipv4/ip_forward", value);
      assert.equal(await sysctl.read("net/ipv4/ip_forward"), value);
    }
    assert.throws(() => new ProcSysctl(shim, "/nowhere").refuseWithout(), {
      message:
        "Cannot find the network's settings in /nowhere: No such file or directory; " +
        "mount the host's /proc/sys/net there, or leave --proc-sys-net out",
    });
  });
});

async function batch(lines: string): Promise<void> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, lines);
    await ip("-batch", file);
  } finally {
    await Deno.remove(file);
  }
}

function batchSync(lines: string): void {
  const file = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(file, lines);
    const run = new Deno.Command("ip", { args: ["-batch", file] });
    assert(run.outputSync().success);
  } finally {
    Deno.removeSync(file);
  }
}

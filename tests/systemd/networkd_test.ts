import assert from "node:assert/strict";
import type { LabNode } from "../lab/node.ts";
import { UNDERLAY_BITS } from "../lab/plan.ts";
import { eventually } from "../lab/harness.ts";
import type { Machine } from "./machine.ts";
import { assertFound } from "../lab/doctor.ts";
import {
  diagnosed,
  type Service,
  serviceTest,
  settled,
  UNIT,
} from "./service.ts";

const CONFIGURATION = "/etc/systemd/networkd.conf.d/10-clusternet.conf";
const UNMANAGED = "/etc/systemd/network/10-clusternet.network";

/** As many hosts have it: everything that no other file speaks of. */
const CATCH_ALL = {
  "/etc/systemd/network/99-all.network": `[Match]
Name=*
[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
`,
};

serviceTest(
  "systemd-networkd leaves link, addresses and routes alone",
  { files: CATCH_ALL },
  async (service) => {
    const before = await ours(service.machine);
    assert.match(before, /unreachable/);
    assert.match(before, /inet/);
    await startNetworkd(service);
    assert.equal(await ours(service.machine), before);
    const { findings, notMade } = await diagnosed(service, "networkd");
    assert.deepEqual({ findings, notMade }, { findings: [], notMade: [] });
  },
);

serviceTest(
  "without our networkd.conf its start removes the guard of what is for pods, as doctor says",
  { files: CATCH_ALL, without: [CONFIGURATION] },
  async (service) => {
    await startNetworkd(service);
    assert.doesNotMatch(await ours(service.machine), /unreachable/);
    assertFound(
      await diagnosed(service, "networkd"),
      "networkd",
      /systemd-networkd removes routes of others/,
    );
  },
);

serviceTest(
  "without our .network file its start takes the link's address, and the agent repairs it",
  { files: CATCH_ALL, without: [UNMANAGED] },
  async (service) => {
    const { machine } = service;
    const before = await ours(machine);
    await startNetworkd(service);
    assert.doesNotMatch(await ours(machine), /inet 10\./);
    await machine.must(["systemctl", "start", UNIT]);
    await settled(service);
    await eventually("all is as it was", async () => {
      const now = await ours(machine);
      return withoutLocal(now) === withoutLocal(before) ? true : undefined;
    });
  },
);

/** Link-local addresses are the kernel's, and not missed. */
function withoutLocal(text: string): string {
  return text.split("\n").filter((line) => !line.includes("fe80:")).join("\n");
}

/** Twice, while no agent is there to repair anything. */
async function startNetworkd({ machine, node }: Service): Promise<void> {
  await machine.must(["systemctl", "stop", UNIT]);
  await machine.write("/etc/systemd/network/50-eth0.network", ethernet(node));
  for (let round = 0; round < 2; round++) {
    await machine.must(["systemctl", "restart", "systemd-networkd.service"]);
    await machine.must([
      ...["/usr/lib/systemd/systemd-networkd-wait-online", "--any"],
      ...["--interface=eth0", "--timeout=30"],
    ]);
  }
}

/** The node's own address, which is networkd's from now on. */
function ethernet({ plan, settings }: LabNode): string {
  return `[Match]
Name=eth0
[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
${
    plan.internalIps.map((address) => `Address=${address}/${UNDERLAY_BITS[4]}`)
      .join("\n")
  }
Gateway=${settings.plan.gateways[0]}
`;
}

/** What the agent has set, as ip(8) shows it. */
async function ours(machine: Machine): Promise<string> {
  return await machine.sh(`
ip -o link show dev clusternet | sed 's/<.*> //; s/qdisc.*//'
ip -o address show dev clusternet
ip route show table all proto 78
ip route show table all dev clusternet`);
}

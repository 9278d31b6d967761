import assert from "node:assert/strict";
import { assertFound } from "../lab/doctor.ts";
import { eventually } from "../lab/harness.ts";
import type { Machine } from "./machine.ts";
import { diagnosed, serviceTest, UNIT } from "./service.ts";

const CONFIGURATION = "/etc/NetworkManager/conf.d/10-clusternet.conf";
const MANAGER = "NetworkManager.service";

serviceTest(
  "NetworkManager leaves the link alone, and without our file does not, as doctor says",
  {},
  async (service) => {
    const { machine } = service;
    await machine.must(["systemctl", "stop", UNIT]);
    const before = await ours(machine);
    await machine.must(["systemctl", "start", MANAGER]);
    await linkIs(machine, "unmanaged");
    await machine.must(["systemctl", "restart", MANAGER]);
    await linkIs(machine, "unmanaged");
    assert.equal(await ours(machine), before);
    const { findings, notMade } = await diagnosed(service, "network-manager");
    assert.deepEqual({ findings, notMade }, { findings: [], notMade: [] });
    await machine.must(["rm", CONFIGURATION]);
    await machine.must(["systemctl", "restart", MANAGER]);
    await linkIs(machine, "connected (externally)");
    assertFound(
      await diagnosed(service, "network-manager"),
      "network-manager",
      /NetworkManager manages the link clusternet/,
    );
  },
);

async function linkIs(machine: Machine, state: string): Promise<void> {
  await eventually(`NetworkManager calls the link ${state}`, async () => {
    const { stdout } = await machine.run([
      ...["nmcli", "--terse", "--fields=DEVICE,STATE", "device"],
    ]);
    return stdout.split("\n").includes(`clusternet:${state}`) || undefined;
  });
}

async function ours(machine: Machine): Promise<string> {
  return await machine.sh(`
ip -o -4 address show dev clusternet
ip route show table all proto 78`);
}

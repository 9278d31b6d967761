import assert from "node:assert/strict";
import { eventually } from "../lab/harness.ts";
import type { Machine } from "./machine.ts";
import { serviceTest, UNIT } from "./service.ts";

const CONFIGURATION = "/etc/NetworkManager/conf.d/10-clusternet.conf";
const MANAGER = "NetworkManager.service";

serviceTest(
  "NetworkManager leaves the link alone, and without our file does not",
  {},
  async ({ machine }) => {
    await machine.must(["systemctl", "stop", UNIT]);
    const before = await ours(machine);
    await machine.must(["systemctl", "start", MANAGER]);
    await linkIs(machine, "unmanaged");
    await machine.must(["systemctl", "restart", MANAGER]);
    await linkIs(machine, "unmanaged");
    assert.equal(await ours(machine), before);
    await machine.must(["rm", CONFIGURATION]);
    await machine.must(["systemctl", "restart", MANAGER]);
    await linkIs(machine, "connected (externally)");
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

import assert from "node:assert/strict";
import { cannotBoot, Machine } from "./machine.ts";

const NAME =
  "a machine boots, keeps its disk over a reboot, and leaves nothing";

Deno.test({
  name: NAME,
  ignore: cannotBoot(NAME),
  fn: async () => {
    const machine = await Machine.boot({
      prepare: (disk) => disk.write("/etc/hello", "before the boot\n"),
    });
    const netns = Deno.readLinkSync(machine.outside("/proc/1/ns/net"));
    try {
      await look(machine);
    } finally {
      await machine.end();
    }
    assert.deepEqual(left(netns), []);
  },
});

async function look(machine: Machine): Promise<void> {
  assert.equal(
    await machine.must(["cat", "/etc/hello"]),
    "before the boot\n",
  );
  const failed = ["systemctl", "--failed", "--plain", "--no-legend"];
  assert.equal(await machine.must(failed), "");
  await machine.sh("echo 1 > /run/gone; echo 1 > /etc/kept");
  await machine.reboot();
  await machine.sh("test ! -e /run/gone; test -e /etc/kept");
  await machine.sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
  const { Id } = await machine.show("dbus.service", ["Id", "ActiveState"]);
  assert.equal(Id, "dbus.service");
}

/** Processes of that network, and control groups of machines without a process. */
function left(netns: string): readonly string[] {
  const processes = [...Deno.readDirSync("/proc")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${name}/ns/net`) === netns;
    } catch {
      return false;
    }
  });
  const groups = ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd"].flatMap((dir) => {
    try {
      return [...Deno.readDirSync(dir)];
    } catch {
      return [];
    }
  }).filter(({ name }) => {
    const [, pid] = name.match(/^clusternet-machine-(\d+)$/) ?? [];
    return pid !== undefined && !processExists(pid);
  });
  return [...processes, ...groups].map(({ name }) => name);
}

function processExists(pid: string): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch {
    return false;
  }
}

/**
 * The sandbox of the units, asked from inside: the same unit, with a probe for
 * its program. Then each of its lines is left out in turn, and the probe has to
 * notice: a line that changes nothing protects nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { deployedFiles, EXECUTABLE } from "../../mod/cli/install_files.ts";
import { cannotBoot, Machine } from "./machine.ts";
import { UNIT, WIREGUARD_GO_UNIT } from "./service.ts";

const PROBE = "/usr/local/lib/sandbox_probe.pl";

/** Lines about the program's life, not about what it may. */
const LIFE =
  /^(Type|NotifyAccess|ExecStart|EnvironmentFile|Environment|SyslogIdentifier|Restart\w*|Timeout\w*|WatchdogSec)=/;

/**
 * Lines that are seen only where others that forbid the same are left out too.
 * Such a line holds when somebody loosens the other by a drop-in.
 */
const BEHIND: Readonly<Record<string, readonly string[]>> = {
  RestrictRealtime: ["CapabilityBoundingSet"],
  ProtectKernelLogs: ["ProcSubset"],
  ProtectKernelTunables: ["ProcSubset"],
};

/** Not to be seen by a process of this machine; `systemctl show` has them. */
const UNSEEN: Readonly<Record<string, string>> = {
  // There is no memory controller in the container.
  MemoryHigh: "MemoryHigh=402653184",
  // A container's root may not have it either.
  OOMScoreAdjust: "OOMScoreAdjust=-900",
  // nspawn forbids the calls already.
  ProtectClock: "ProtectClock=yes",
  // There is no device controller in the container.
  DeviceAllow: "DeviceAllow=/dev/net/tun rw",
  // Seen after the end: "what is not valid after a reboot stays".
  RuntimeDirectoryPreserve: "RuntimeDirectoryPreserve=yes",
};

/** What is tried from inside, and how it has to end. */
const AGENT: readonly string[] = [
  "CapEff: 0000000000001000", // CAP_NET_ADMIN, include/uapi/linux/capability.h
  "CapBnd: 0000000000001000",
  "CapAmb: 0000000000000000",
  "NoNewPrivs: 1",
  "Umask: 0077",
  "core limit: 0",
  ...["/usr", "/etc", "/var/lib", "/opt", "/run"].map((dir) =>
    `writes to ${dir}: Read-only file system`
  ),
  "writes to /var/lib/clusternet: works",
  "writes to /run/clusternet: works",
  "writes to /run/clusternet-cni: works",
  "writes to /etc/cni/net.d: works",
  "mode of /var/lib/clusternet: 40700",
  "opens /proc/sys/kernel/panic_on_oops for writing: Read-only file system",
  "opens /proc/sys/net/ipv4/ip_forward for writing: works",
  "sees /home/probe: no",
  "sees /root/probe: no",
  "sees /tmp/probe: no",
  "sees /dev/net/tun: no",
  "sees /dev/probe: no",
  "net namespace: the machine's",
  "ipc namespace: its own",
  "socket of family netlink: works",
  "socket of family packet: Address family not supported by protocol",
  "a user namespace: Operation not permitted",
  "mount: killed by signal 31",
  "protection keys: works",
  "writable and executable memory: works", // V8 compiles
];

const WIREGUARD_GO: readonly string[] = [
  "CapEff: 0000000000001000",
  "CapBnd: 0000000000001000",
  "NoNewPrivs: 1",
  "writes to /run: Read-only file system",
  "writes to /run/clusternet: No such file or directory",
  "writes to /run/wireguard: works",
  "writes to /var/lib/clusternet: No such file or directory",
  "opens /proc/sys/net/ipv4/ip_forward for writing: No such file or directory",
  "sees /dev/net/tun: yes",
  "sees /dev/probe: no",
  "protection keys: killed by signal 31",
  "writable and executable memory: Permission denied",
];

for (
  const [unit, expected] of [
    [UNIT, AGENT],
    [WIREGUARD_GO_UNIT, WIREGUARD_GO],
  ] as const
) {
  const name = `the sandbox of ${unit} holds, and each of its lines is needed`;
  Deno.test({
    name,
    ignore: cannotBoot(name),
    fn: async () => {
      await using machine = await Machine.boot({ prepare });
      await machine.sh(TRACES);
      const lines = await probeUnit(machine, unit);
      const claims = lines.filter((line) => isClaim(line));
      const variants = claims.filter((line) => !(nameOf(line) in UNSEEN))
        .map((line) => ({ line, behind: BEHIND[nameOf(line)] ?? [] }));
      const guarded = variants.filter(({ behind }) => behind.length > 0);
      const without = (...names: readonly string[]): readonly string[] =>
        lines.filter((one) => !names.includes(nameOf(one)));
      const [whole = [], ...said] = await probeAll(machine, [
        lines,
        ...variants.map(({ line, behind }) =>
          without(...behind).filter((one) => one !== line)
        ),
        ...guarded.map(({ behind }) => without(...behind)),
      ]);
      for (const line of expected) {
        assert.ok(
          whole.includes(line),
          `not "${line}" of\n${whole.join("\n")}`,
        );
      }
      const idle = variants.filter((variant, at) => {
        const guard = guarded.indexOf(variant);
        const with_ = guard < 0 ? whole : said[variants.length + guard];
        return said[at]?.join("\n") === with_?.join("\n");
      });
      assert.deepEqual(idle.map(({ line }) => line), [], "change nothing");
      const names = claims.map(nameOf).filter((one) => one in UNSEEN);
      const shown = await machine.must([
        ...["systemctl", "show", unit, "--property", names.join(",")],
      ]);
      for (const one of names) {
        assert.ok(shown.includes(UNSEEN[one] ?? ""), one);
      }
    },
  });
}

async function prepare(machine: Machine): Promise<void> {
  const script = new URL("./sandbox_probe.pl", import.meta.url);
  await machine.write(PROBE, await Deno.readTextFile(script));
  const files = deployedFiles({ executable: EXECUTABLE })
    .filter(({ target }) => !target.startsWith("/etc/tmpfiles.d/"));
  for (const { target, text } of files) await machine.write(target, text);
}

/** What the probe looks for, where it must not find it. */
const TRACES = `
mkdir -p /home/probe /root/probe /run/user/probe /usr/lib/modules/probe
touch /tmp/probe /var/tmp/probe /dev/probe`;

function isClaim(line: string): boolean {
  return /^[A-Z]\w+=/.test(line) && !LIFE.test(line) &&
    !line.startsWith("Standard");
}

function nameOf(line: string): string {
  return line.slice(0, line.indexOf("="));
}

/** The lines of the section [Service] with the probe for its program. */
async function probeUnit(
  machine: Machine,
  unit: string,
): Promise<readonly string[]> {
  const text = await machine.must(["cat", `/etc/systemd/system/${unit}`]);
  const [, section = ""] = text.split(/^\[(?:Service|Install)\]$/m);
  const namespaces = ["ipc", "uts", "net", "pid", "user"].map((kind) => {
    const link = Deno.readLinkSync(machine.outside(`/proc/1/ns/${kind}`));
    return `Environment="PROBE_${kind}=${link}"`;
  });
  return [
    "[Service]",
    "Type=oneshot",
    `ExecStart=/usr/bin/perl ${PROBE}`,
    ...namespaces,
    ...section.split("\n").filter((line) => line !== "" && !LIFE.test(line)),
  ];
}

/** What the probe says in each of them, from the same beginning. */
async function probeAll(
  machine: Machine,
  units: readonly (readonly string[])[],
): Promise<readonly (readonly string[])[]> {
  for (const [at, lines] of units.entries()) {
    const text = [...lines, `StandardOutput=truncate:/var/probe-${at}`];
    const path = `/etc/systemd/system/probe-${at}.service`;
    await machine.write(path, `${text.join("\n")}\n`);
  }
  await machine.sh(`
systemctl daemon-reload
for at in $(seq 0 ${units.length - 1}); do
  rm -rf /run/clusternet /run/clusternet-cni /run/wireguard /var/lib/clusternet /etc/cni
  systemctl start probe-$at || true
done`);
  return await Promise.all(units.map(async (_, at) => {
    const said = await machine.must(["cat", `/var/probe-${at}`]);
    return said.trimEnd().split("\n");
  }));
}

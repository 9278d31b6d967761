/**
 * A machine with a real systemd: a Debian booted by systemd-nspawn, in about a
 * second.
 *
 *     holder, in a process namespace of its own: overlay over the root, on tmpfs
 *       └─ systemd-nspawn
 *            └─ systemd, process 1 of the machine
 *
 * Invariant: all of it, and all that was changed in it, goes with the holder,
 * and that one dies with this process; the root in the cache stays as it is.
 *
 * @module
 */

import { dirname } from "node:path";
import {
  Child,
  must,
  run,
  type RunOptions,
  type RunResult,
  SHELL,
} from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import type { Space } from "../lab/space.ts";
import { skipped } from "../support/skip.ts";
import { makeCgroups, removeCgroups } from "./cgroup.ts";
import { debianRoot, type Suite } from "./root.ts";

export interface MachineOptions {
  /** Whose network it is on, a node of a lab's; its own loopback alone by default. */
  readonly space?: Space | undefined;
  /** Which Debian it is; trixie by default. */
  readonly suite?: Suite | undefined;
  /** What is done to its disk before the first boot. */
  readonly prepare?: (machine: Machine) => Promise<void>;
}

/** A line of the journal, with some of the fields that journald gives it. */
export interface JournalEntry {
  readonly MESSAGE: string;
  readonly PRIORITY?: string;
  readonly SYSLOG_IDENTIFIER?: string;
  readonly _PID?: string;
  readonly _SYSTEMD_UNIT?: string;
}

/** Milliseconds that a boot may take where the processors are busy. */
const BOOT_MS = 60_000;

/** Where the holder has the machine's disk. */
const DISK = "/mnt/root";

/** Argument: the root. What it mounts is seen by the holder and by what it starts alone. */
const HOLD = `set -eu
read -r pid rest < /proc/self/stat
mount -t proc proc /proc
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=700 tmpfs /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work ${DISK}
mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" overlay ${DISK}
ip link set lo up
echo "holder $pid"
exec sleep infinity`;

/** Arguments: control groups to join, "--", the command. */
const JOIN = `set -eu
while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done
shift
exec "$@"`;

const NSPAWN: readonly string[] = [
  ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"],
  ...["--machine=machine", "--link-journal=no", "--resolv-conf=off"],
  ...["--timezone=off", "--network-namespace-path=/proc/self/ns/net"],
  // What a host's systemd may and a container's may not, as far as it matters here.
  ...["--capability=CAP_NET_ADMIN", "--bind=/dev/net/tun"],
  "--system-call-filter=@pkey @keyring",
  ...["--console=pipe", "--boot", `--directory=${DISK}`],
];

const NSPAWN_ENV = { SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network" };

/** Says aloud what is missing; for `ignore` of a test. */
export function cannotBoot(name: string): boolean {
  const commands = ["systemd-nspawn", "debootstrap", "nsenter", "ip"];
  return skipped(name, { root: true, commands, files: ["/dev/net/tun"] });
}

interface Parts {
  readonly holder: Child;
  /** The holder's, as seen from here. */
  readonly pid: number;
  readonly cgroups: readonly string[];
}

export class Machine implements AsyncDisposable {
  readonly #parts: Parts;
  #space: Space | undefined;
  #nspawn: Child | undefined;
  /** The machine's process 1, as seen from here. */
  #init: number | undefined;

  private constructor(parts: Parts, space: Space | undefined) {
    this.#parts = parts;
    this.#space = space;
  }

  /** Makes one and boots it. */
  static async boot(options: MachineOptions = {}): Promise<Machine> {
    const machine = await Machine.#make(options);
    try {
      await options.prepare?.(machine);
      await machine.start();
      return machine;
    } catch (error) {
      await machine.end();
      throw error;
    }
  }

  static async #make(
    { space, suite = "trixie" }: MachineOptions,
  ): Promise<Machine> {
    const holder = new Child("holder of a machine", [
      ...["unshare", "--pid", "--fork", "--kill-child=KILL"],
      ...["--mount", "--propagation", "private", "--net", "--"],
      ...[SHELL, "-c", HOLD, SHELL, await debianRoot(suite)],
    ]);
    try {
      const said = await holder.line(/^holder \d+$/);
      const pid = Number(said.split(" ")[1]);
      const cgroups = await makeCgroups(holder.pid);
      return new Machine({ holder, pid, cgroups }, space);
    } catch (cause) {
      await holder.stop("SIGKILL");
      const last = holder.lines.slice(-3).join(" ");
      throw new Error(`Cannot make a machine: ${last}`, { cause });
    }
  }

  /** What its console says, oldest first, of all boots. */
  get console(): readonly string[] {
    return this.#nspawn?.lines ?? [];
  }

  /**
   * Boots the disk as it is; resolves when all that is to start has started.
   *
   * @param space its network from now on; by default that of before
   */
  async start(space = this.#space): Promise<void> {
    this.#space = space;
    const { pid, cgroups } = this.#parts;
    const proc = `/proc/${pid}`;
    const net = space?.holder.pid ?? pid;
    this.#nspawn = new Child("systemd-nspawn", [
      ...["nsenter", `--pid=${proc}/ns/pid`, `--mount=${proc}/ns/mnt`],
      ...[`--net=/proc/${net}/ns/net`, "--"],
      ...[SHELL, "-c", JOIN, SHELL, ...cgroups, "--", ...NSPAWN],
    ], { env: NSPAWN_ENV });
    try {
      this.#init = await eventually("the machine has a process 1", () => {
        return Promise.resolve(initBelow(this.#child.pid));
      }, BOOT_MS);
      await eventually("the machine has booted", async () => {
        const { stdout } = await this.run(["systemctl", "is-system-running"]);
        return /^(running|degraded)/.test(stdout) ? true : undefined;
      }, BOOT_MS);
    } catch (cause) {
      const last = this.console.slice(-8).join("\n");
      throw new Error(`Cannot boot a machine: ${last}`, { cause });
    }
  }

  get #child(): Child {
    if (this.#nspawn?.running) return this.#nspawn;
    throw new Error("Cannot use the machine: it is switched off");
  }

  /** The command, run in the machine by its root user. */
  command(command: readonly string[]): readonly string[] {
    const target = String(this.#child.running ? this.#init : "");
    return [
      ...["nsenter", "--target", target, "--all", "--root", "--wd", "--"],
      ...command,
    ];
  }

  run(
    command: readonly string[],
    options: RunOptions = {},
  ): Promise<RunResult> {
    return run(this.command(command), options);
  }

  /** As `run`, and gives standard output. @throws {Error} when it does not exit with 0 */
  must(
    command: readonly string[],
    options: RunOptions = {},
  ): Promise<string> {
    return must(this.command(command), options);
  }

  /** Shell lines; stops at the first that fails. */
  sh(lines: string): Promise<string> {
    return this.must(["/bin/sh", "-euc", lines]);
  }

  /** Properties of a unit, as `systemctl show` prints them. */
  async show(
    unit: string,
    properties: readonly string[],
  ): Promise<Readonly<Record<string, string>>> {
    const text = await this.must([
      ...["systemctl", "show", unit, "--property", properties.join(",")],
    ]);
    return Object.fromEntries(
      text.trimEnd().split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
  }

  /** What the journal has of a unit, by itself and by systemd, oldest first. */
  async journal(unit: string): Promise<readonly JournalEntry[]> {
    await this.must(["journalctl", "--sync"]);
    const text = await this.must([
      ...["journalctl", "--no-pager", "--output=json", `--unit=${unit}`],
    ]);
    return text.trim().split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line) as JournalEntry);
  }

  /** A file of the machine as seen from here; no absolute link may be on the way. */
  outside(path: string): string {
    if (this.#nspawn?.running) return `/proc/${this.#init}/root${path}`;
    return `/proc/${this.#parts.pid}/root${DISK}${path}`;
  }

  /** Writes a text file and the directories above it. */
  async write(path: string, text: string, mode = 0o644): Promise<void> {
    const file = this.outside(path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeTextFile(file, text);
    await Deno.chmod(file, mode);
  }

  /** Copies a file or a directory from here. */
  async copyIn(from: string, path: string): Promise<void> {
    const file = this.outside(path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await must(["cp", "--archive", from, file]);
  }

  /** Shuts it down in order; the disk stays, `/run` and all processes go. */
  async powerOff(): Promise<void> {
    const nspawn = this.#child;
    await this.run(["systemctl", "--no-block", "poweroff"]);
    const late = setTimeout(() => nspawn.signal("SIGKILL"), BOOT_MS);
    await nspawn.ended;
    clearTimeout(late);
    this.#init = undefined;
  }

  async reboot(): Promise<void> {
    await this.powerOff();
    await this.start();
  }

  /** Pulls the plug, and the disk is gone. */
  async end(): Promise<void> {
    const { holder, cgroups } = this.#parts;
    await holder.stop("SIGKILL");
    await this.#nspawn?.stop("SIGKILL");
    await removeCgroups(cgroups);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** The first process of a process namespace, two steps below this one. */
function initBelow(pid: number): number | undefined {
  const processes = [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => statusOf(name));
  const nspawn = processes.filter(({ parent }) => parent === pid);
  return processes.find(({ parent, inside }) =>
    inside === 1 && nspawn.some((one) => one.pid === parent)
  )?.pid;
}

interface ProcessStatus {
  readonly pid: number;
  readonly parent: number;
  /** Its number in the innermost namespace. */
  readonly inside: number;
}

function statusOf(pid: string): ProcessStatus {
  let text = "";
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/status`);
  } catch {
    // It has ended in between.
  }
  return {
    pid: Number(pid),
    parent: Number(text.match(/^PPid:\s*(\d+)$/m)?.[1]),
    inside: Number(text.match(/^NSpid:.*\s(\d+)$/m)?.[1]),
  };
}

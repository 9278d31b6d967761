/**
 * A place to run programs in: one network and one mount namespace, held by a
 * sleeping process and by nothing else. Invariant: no name on the machine, no
 * file, no link in its own namespaces; when the holder ends, the place and all
 * that was put into it is gone.
 *
 * @module
 */

import {
  Child,
  must,
  run,
  type RunOptions,
  type RunResult,
  SHELL,
} from "./exec.ts";

export interface InsideOptions extends RunOptions {
  /** In the network namespace of that pod instead of the node's. */
  readonly pod?: string | undefined;
}

export class Space {
  readonly name: string;
  readonly holder: Child;
  /** A host name of its own; else that of the machine. */
  readonly hostname: string | undefined;
  /** What `ip netns` and `lsns` call it: "net:[4026532280]". */
  readonly netns: string;

  private constructor(
    name: string,
    { holder, hostname }: {
      readonly holder: Child;
      readonly hostname?: string | undefined;
    },
  ) {
    this.name = name;
    this.holder = holder;
    this.hostname = hostname;
    this.netns = Deno.readLinkSync(`/proc/${holder.pid}/ns/net`);
  }

  /**
   * Makes one. `setup`: shell lines that run in it as root, with `set -eu`.
   * `inside`: the space whose mounts are the starting point.
   */
  static async make(
    name: string,
    options: {
      readonly setup: string;
      readonly env: Readonly<Record<string, string>>;
      readonly inside?: Space;
      readonly hostname?: string | undefined;
      /** Default; else it shares the network of `inside`, or of this process. */
      readonly ownNetwork?: boolean;
    },
  ): Promise<Space> {
    const { setup, env, inside, hostname, ownNetwork = true } = options;
    const named = hostname === undefined
      ? ""
      : `echo ${hostname} > /proc/sys/kernel/hostname`;
    const script =
      `set -eu\n${named}\n${setup}\necho ready\nexec sleep infinity`;
    const holder = new Child(`holder of ${name}`, [
      ...(inside === undefined
        ? []
        : ["nsenter", ...mounts(inside.holder), "--"]),
      ...["unshare", ...(ownNetwork ? ["--net"] : [])],
      ...["--mount", "--propagation", "private"],
      ...(hostname === undefined ? ["--"] : ["--uts", "--"]),
      ...[SHELL, "-c", script],
    ], { env });
    try {
      await holder.line(/^ready$/);
    } catch (cause) {
      await holder.stop("SIGKILL");
      throw new Error(
        `Cannot make the namespaces of ${name}: ${holder.lines.join(" ")}`,
        { cause },
      );
    }
    return new Space(name, { holder, hostname });
  }

  /** The place that this process is in, as one of them. */
  static here(
    name: string,
    env: Readonly<Record<string, string>>,
  ): Space {
    const holder = new Child(`holder of ${name}`, ["sleep", "infinity"], {
      env,
    });
    return new Space(name, { holder });
  }

  /** The command, in this place; `pod`: in the network namespace of a pod of it. */
  command(command: readonly string[], pod?: string): string[] {
    const proc = `/proc/${this.holder.pid}`;
    const net = pod === undefined
      ? `${proc}/ns/net`
      : `${proc}/root${podNetns(pod)}`;
    return [
      "nsenter",
      `--net=${net}`,
      ...(this.hostname === undefined ? [] : [`--uts=${proc}/ns/uts`]),
      ...mounts(this.holder),
      "--",
      ...command,
    ];
  }

  run(
    command: readonly string[],
    options: InsideOptions = {},
  ): Promise<RunResult> {
    return run(this.command(command, options.pod), options);
  }

  must(
    command: readonly string[],
    options: InsideOptions = {},
  ): Promise<string> {
    return must(this.command(command, options.pod), options);
  }

  /** Shell lines; stops at the first that fails. */
  sh(lines: string): Promise<string> {
    return this.must([SHELL, "-euc", lines]);
  }

  /** The path of a file of this place as the rest of the machine sees it. */
  outside(path: string): string {
    return `/proc/${this.holder.pid}/root${path}`;
  }

  async end(): Promise<void> {
    await this.holder.stop("SIGKILL");
  }
}

/** The root as well: this program may itself run in a chroot, which setns(2) would leave. */
function mounts({ pid }: Child): readonly string[] {
  const proc = `/proc/${pid}`;
  return [`--mount=${proc}/ns/mnt`, `--root=${proc}/root`, `--wd=${proc}/root`];
}

/** Where a pod's network namespace is mounted, inside its node. */
export function podNetns(pod: string): string {
  return `/run/netns/${pod}`;
}

/**
 * wireguard-go (or another such program) in a network and mount namespace of its
 * own, in the foreground, ended by its process id. Its socket is reached through
 * /proc/PID/root, so the test itself stays where it is.
 *
 * @module
 */

export interface WireGuardGo extends AsyncDisposable {
  readonly pid: number;
  /** Where its socket is, as seen from here. */
  readonly directory: string;
  /** Run a command in its network namespace. @throws {Error} when it fails */
  run(command: string, ...args: readonly string[]): Promise<string>;
  /** Start one there, connected by pipes. */
  spawn(command: string, ...args: readonly string[]): Deno.ChildProcess;
}

/** Neither the mount nor the socket is seen by anybody else. */
const START = `
  set -e
  mount -t tmpfs tmpfs /var/run/
  mkdir -p /var/run/wireguard
  ip link set lo up
  exec "$@"
`;

/**
 * Start it, wait for its socket, and set its link up.
 *
 * @param command to which the link's name is added
 */
export async function startWireGuardGo(
  link: string,
  command: readonly string[] = ["wireguard-go", "-f"],
): Promise<WireGuardGo> {
  // Ended by the kernel when these tests are killed.
  const unshare = ["setpriv", "--pdeathsig", "KILL", "--", "unshare"];
  const [program = "", ...args] = [...unshare, "--net", "--mount"];
  const process = new Deno.Command(program, {
    args: [...args, "sh", "-c", START, "sh", ...command, link],
    env: { LOG_LEVEL: "silent" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const { pid } = process;
  // Resolved here: below /proc/PID/root an absolute link leads out of it again.
  const run = Deno.realPathSync("/var/run");
  const directory = `/proc/${pid}/root${run}/wireguard`;
  const inside = (command: string, args: readonly string[]): string[] => [
    `--net=/proc/${pid}/ns/net`,
    command,
    ...args,
  ];
  const go: WireGuardGo = {
    pid,
    directory,
    async run(command, ...args): Promise<string> {
      const { success, stdout, stderr } = await new Deno.Command("nsenter", {
        args: inside(command, args),
        stdin: "null",
      }).output();
      const text = (bytes: Uint8Array): string =>
        new TextDecoder().decode(bytes);
      if (success) return text(stdout);
      throw new Error(
        `Cannot run ${command} ${args.join(" ")}: ${text(stderr)}`,
      );
    },
    spawn: (command, ...args) =>
      new Deno.Command("nsenter", {
        args: inside(command, args),
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn(),
    async [Symbol.asyncDispose](): Promise<void> {
      end(process, "SIGTERM");
      // One that hangs is to fail its test, not to hold up the others.
      const timer = setTimeout(() => end(process, "SIGKILL"), 5_000);
      await process.status;
      clearTimeout(timer);
    },
  };
  try {
    await listens(`${directory}/${link}.sock`);
    await go.run("ip", "link", "set", link, "up");
    return go;
  } catch (error) {
    await go[Symbol.asyncDispose]();
    throw error;
  }
}

function end(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch { /* it has ended */ }
}

async function listens(path: string): Promise<void> {
  for (let left = 200; left > 0; left--) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error(`Cannot start wireguard-go: nothing listens on ${path}`);
}

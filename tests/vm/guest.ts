/**
 * Runs a command as root in a virtual machine with a stock Debian kernel: WireGuard, netem and
 * all that the host's own kernel may lack. QEMU emulates the processor, so that it runs
 * anywhere; its timings are no performance figures.
 *
 * The command's output, its exit code and `/out` leave the guest through three virtio ports,
 * the kernel's messages through the serial line: none can be mistaken for another.
 * Any number of guests may run at once. Whatever happens, no QEMU and no file of a run stays
 * behind: QEMU dies with us, even when we are killed.
 *
 * @module
 */

import { TextLineStream } from "./lines.ts";
import {
  cacheDirectory,
  exists,
  GuestError,
  removeUnused,
  requireHost,
  run,
} from "./host.ts";
import { buildRunImage } from "./run_image.ts";
import { type SystemImage, systemImage } from "./system_image.ts";

export { GuestError, requirements } from "./host.ts";

/** `command`: a line of what was run. `kernel`: of the guest's console. */
export type LineSource = "command" | "kernel";

export interface GuestOptions {
  /** Program and arguments; the working directory is the checkout, at its path on the host. */
  readonly command: readonly string[];
  /** On top of `PATH`, `HOME`, `DENO_DIR` and `CLUSTERNET_GUEST=1`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Memory of the guest, its file system included; 2048 by default. */
  readonly memoryMiB?: number;
  /** From the start of QEMU; 300 by default. */
  readonly timeoutSeconds?: number;
  /** More of the kernel's command line, such as `ipv6.disable=1`. */
  readonly kernelAppend?: string;
  /** Directory of the host for what the command leaves in the guest's `/out`; made if needed. */
  readonly outDirectory?: string;
  /** Files and folders of the host that the guest has too, at the same paths. */
  readonly files?: readonly string[];
  /** Ends the guest at once. */
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string, source: LineSource) => void;
  /** One line before each slow step. */
  readonly progress?: (message: string) => void;
  /** A shell on this terminal: neither `onLine` nor a default for `timeoutSeconds`. */
  readonly interactive?: boolean;
}

/** Lines of the console that an error repeats. */
const CONSOLE_TAIL = 15;

/**
 * Boots a guest, runs the command, powers off.
 *
 * @returns the command's exit code
 * @throws GuestError where the host lacks something (it names the packages), the guest ended
 * without a result (with the end of its console), or the time is up
 */
export async function runInGuest(options: GuestOptions): Promise<number> {
  requireHost();
  const cache = await cacheDirectory();
  await removeUnused(cache);
  const progress = options.progress ?? (() => {});
  const images = await systemImage(cache, progress);
  const directory = await Deno.makeTempDir({ dir: cache, prefix: "run-" });
  try {
    const stage = `${directory}/stage`;
    const npm = await buildRunImage(`${directory}/run.ext4`, stage, {
      command: options.command,
      env: options.env ?? {},
      files: options.files ?? [],
      interactive: options.interactive ?? false,
      cache,
      progress,
    });
    await Deno.remove(stage, { recursive: true });
    const console = await boot(
      qemuArguments({ ...images, npm }, directory, options),
      options,
    );
    const code = await result(directory, console);
    await collect(directory, options.outDirectory);
    return code;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs QEMU to its end. Returns the last lines of the console. */
async function boot(
  argv: readonly string[],
  options: GuestOptions,
): Promise<readonly string[]> {
  const interactive = options.interactive ?? false;
  const timeoutSeconds = options.timeoutSeconds ??
    (interactive ? undefined : 300);
  const timeout = timeoutSeconds === undefined
    ? new AbortController().signal
    : AbortSignal.timeout(timeoutSeconds * 1000);
  const signal = AbortSignal.any([
    timeout,
    ...(options.signal === undefined ? [] : [options.signal]),
  ]);
  const stdio = interactive ? "inherit" : "piped";
  const qemu = new Deno.Command("setpriv", {
    // QEMU goes when we do, however that comes about.
    args: ["--pdeathsig", "KILL", ...argv],
    stdin: interactive ? "inherit" : "null",
    stdout: stdio,
    stderr: stdio,
  }).spawn();
  const kill = (): void => {
    try {
      qemu.kill("SIGKILL");
    } catch {
      // It has ended in the same moment.
    }
  };
  signal.addEventListener("abort", kill);
  if (signal.aborted) kill();
  const tail: string[] = [];
  try {
    if (!interactive) {
      await Promise.all([
        eachLine(qemu.stdout, (line) => options.onLine?.(line, "command")),
        eachLine(qemu.stderr, (line) => {
          if (line.endsWith("reboot: Power down")) return;
          // What comes after a panic is its stack.
          if (!(tail.at(-1) ?? "").includes("Kernel panic")) tail.push(line);
          if (tail.length > CONSOLE_TAIL) tail.shift();
          options.onLine?.(line, "kernel");
        }),
      ]);
    }
    await qemu.status;
  } finally {
    signal.removeEventListener("abort", kill);
  }
  options.signal?.throwIfAborted();
  if (timeout.aborted) {
    throw new GuestError(
      `Cannot finish "${
        options.command.join(" ")
      }" in the guest: ended after ${timeoutSeconds} s`,
    );
  }
  return tail;
}

async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  const lines = stream.pipeThrough(new TextDecoderStream()).pipeThrough(
    new TextLineStream(),
  );
  for await (const line of lines) onLine(line);
}

function qemuArguments(
  images: SystemImage & { readonly npm: string },
  directory: string,
  options: GuestOptions,
): readonly string[] {
  const interactive = options.interactive ?? false;
  const port = (name: string, backend: string): readonly string[] => [
    ...["-chardev", `${backend},id=${name}`],
    ...["-device", `virtserialport,chardev=${name},name=${name}`],
  ];
  const disk = (file: string): readonly string[] => {
    return [
      "-drive",
      `file=${file.replaceAll(",", ",,")},if=virtio,format=raw,readonly=on`,
    ];
  };
  return [
    "qemu-system-x86_64",
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    // Nested KVM can hang a guest; emulation is the same everywhere.
    ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"],
    ...["-m", String(options.memoryMiB ?? 2048)],
    ...["-kernel", images.vmlinuz, "-initrd", images.initramfs],
    "-append",
    `console=ttyS0 ${interactive ? "quiet " : ""}loglevel=4 panic=-1 ${
      options.kernelAppend ?? ""
    }`,
    ...disk(images.system),
    ...disk(images.npm),
    ...disk(`${directory}/run.ext4`),
    ...(interactive ? ["-serial", "mon:stdio"] : [
      "-chardev",
      "file,id=console,path=/dev/fd/2",
      "-serial",
      "chardev:console",
    ]),
    ...["-device", "virtio-serial-pci"],
    ...(interactive ? [] : port("output", "file,path=/dev/fd/1")),
    ...port("result", `file,path=${directory}/result`),
    ...port("out", `file,path=${directory}/out.tar`),
  ];
}

/** The exit code that the guest wrote as its last act. */
async function result(
  directory: string,
  console: readonly string[],
): Promise<number> {
  const file = `${directory}/result`;
  const text = await exists(file) ? await Deno.readTextFile(file) : "";
  const match = /^exit (\d+)\n$/.exec(text);
  if (match === null) {
    const end = console.map((line) => `\n  ${line}`).join("");
    throw new GuestError(
      `Cannot tell how the command ended: the guest stopped before it did${end}`,
    );
  }
  return Number(match[1]);
}

/** Unpacks the guest's `/out`. */
async function collect(
  directory: string,
  to: string | undefined,
): Promise<void> {
  if (to === undefined) return;
  await Deno.mkdir(to, { recursive: true });
  const { size } = await Deno.stat(`${directory}/out.tar`);
  if (size > 0) {
    await run([
      "tar",
      "--no-same-owner",
      "-C",
      to,
      "-xf",
      `${directory}/out.tar`,
    ]);
  }
}

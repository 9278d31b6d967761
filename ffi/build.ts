/**
 * Compile the shim: `.build/netlink.so` for this machine, with `--target ARCH`
 * `.build/netlink-ARCH.so` for another. Only when the source is newer.
 *
 * The result needs no libc and is a few kilobytes: one 64 KiB-aligned pair of
 * segments in a file without padding (`norelro`, `noseparate-code`).
 *
 * @module
 */

import { fileURLToPath } from "node:url";

const FLAGS = [
  "-std=c11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-nostdlib",
  "-fno-builtin",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fvisibility=hidden",
  "-fPIC",
  "-shared",
  "-s",
  "-Wl,-z,noseparate-code,-z,norelro,-z,noexecstack,-z,defs,--build-id=none",
];

export const TARGETS = ["x86_64", "aarch64"] as const;
export type Target = typeof TARGETS[number];

const ROOT = new URL("../", import.meta.url);
const SOURCE = new URL("ffi/netlink.c", ROOT);

/** Is the shim for this machine there, and no older than its source? */
export async function shimIsFresh(): Promise<boolean> {
  return await isFresh(new URL(".build/netlink.so", ROOT));
}

/** Is `output` there, and no older than the source and this script? */
async function isFresh(output: URL): Promise<boolean> {
  const times = await Promise.all(
    [output, SOURCE, new URL(import.meta.url)].map(async (file) => {
      const stat = await Deno.stat(file).catch(() => undefined);
      return stat?.mtime?.getTime() ?? 0;
    }),
  );
  const [built = 0, ...inputs] = times;
  return built > 0 && inputs.every((time) => time <= built);
}

/** The compiler's name, and the Debian package that has it. */
function compilerFor(
  target: Target | undefined,
): { readonly command: string; readonly debian: string } {
  if (target === undefined || target === Deno.build.arch) {
    return { command: "cc", debian: "gcc" };
  }
  return {
    command: `${target}-linux-gnu-gcc`,
    debian: `gcc-${target.replace("_", "-")}-linux-gnu`,
  };
}

async function runCompiler(
  { command, debian }: ReturnType<typeof compilerFor>,
  args: readonly string[],
): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: [...args] }).spawn().status)
      .success;
  } catch (cause) {
    throw new Error(
      `Cannot compile the shim: there is no C compiler "${command}" here (Debian package ${debian})`,
      { cause },
    );
  }
}

/**
 * @param target `undefined`: this machine
 * @returns where it is
 * @throws {Error} with one sentence for people
 */
export async function buildShim(target: Target | undefined): Promise<URL> {
  const name = target === undefined ? "netlink.so" : `netlink-${target}.so`;
  const output = new URL(`.build/${name}`, ROOT);
  if (await isFresh(output)) return output;
  await Deno.mkdir(new URL(".build/", ROOT), { recursive: true });
  const temporary = new URL(`.build/${name}.${Deno.pid}`, ROOT);
  const compiler = compilerFor(target);
  const files = [temporary, SOURCE].map((file) => fileURLToPath(file));
  const [to = "", source = ""] = files;
  const args = [...FLAGS, "-o", to, source];
  const success = await runCompiler(compiler, args);
  if (!success) {
    throw new Error(`Cannot compile the shim: ${compiler.command} failed`);
  }
  await Deno.rename(temporary, output);
  return output;
}

function parseTarget(args: readonly string[]): Target | undefined {
  if (args.length === 0) return undefined;
  const target = TARGETS.find((known) => known === args[1]);
  if (args.length !== 2 || args[0] !== "--target" || target === undefined) {
    throw new Error(
      `Cannot read the arguments "${args.join(" ")}": --target ${
        TARGETS.join("|")
      }`,
    );
  }
  return target;
}

if (import.meta.main) {
  try {
    await buildShim(parseTarget(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}

/**
 * Compression by the `zstd` command. The same bytes come out on any machine with
 * the same zstd: its threads are fixed in number.
 *
 * @module
 */

import { join } from "node:path";
import { sumOf } from "./manifest.ts";

/** Unpacks within 16 MB; -22 saves 2 % and takes 130 MB to unpack. */
const ARGUMENTS = ["-19", "-T2", "--check", "--quiet", "--stdout"];

type Bytes = Uint8Array<ArrayBuffer>;

/** @throws {Error} with one sentence for people */
export async function compress(parts: readonly Bytes[]): Promise<Bytes> {
  await zstdVersion();
  const child = new Deno.Command("zstd", {
    args: ARGUMENTS,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  for (const part of parts) await writer.write(part);
  await writer.close();
  const { success, stdout } = await output;
  if (!success) throw new Error("Cannot compress the runtime: zstd failed");
  return stdout;
}

/**
 * As `compress()`, once for the same bytes: it takes a minute for Deno.
 *
 * @param key what the parts are, by digest
 */
export async function compressOnce(
  parts: readonly Bytes[],
  key: string,
): Promise<Bytes> {
  const facts = `${key} ${ARGUMENTS.join(" ")} ${await zstdVersion()}`;
  const name = await sumOf(new TextEncoder().encode(facts));
  const folder = cacheFolder();
  const file = join(folder, `runtime-${name.slice(0, 32)}.zst`);
  try {
    return await Deno.readFile(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  console.error("compressing the runtime, once: about a minute");
  const bytes = await compress(parts);
  await Deno.mkdir(folder, { recursive: true });
  const temporary = `${file}.${Deno.pid}`;
  await Deno.writeFile(temporary, bytes);
  await Deno.rename(temporary, file);
  return bytes;
}

async function zstdVersion(): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("zstd", { args: ["-V"] })
      .output();
    return new TextDecoder().decode(stdout).trim();
  } catch (cause) {
    throw new Error(
      'Cannot compress the runtime: there is no "zstd" here; install the Debian package zstd',
      { cause },
    );
  }
}

/** What takes long to make and does not change. */
export function cacheFolder(): string {
  const home = Deno.env.get("HOME") ?? "/root";
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache");
  return join(cache, "clusternet");
}

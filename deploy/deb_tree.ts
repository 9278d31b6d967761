/**
 * The package as `dpkg-deb --build` takes it: a folder with the files in their
 * places, and DEBIAN/ with what dpkg needs to know. Every file has the commit's
 * time and one of two modes, so that two builds are the same bytes.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import type { PackedFile } from "./deb_files.ts";
import { must } from "./exec.ts";

export interface ControlFile {
  readonly name: string;
  readonly text: string;
  readonly executable: boolean;
}

/** Writes the files. @returns what the package takes on a disk, KiB */
export async function writeTree(
  folder: string,
  files: readonly PackedFile[],
): Promise<number> {
  let bytes = 0;
  for (const file of files) {
    const path = join(folder, file.path);
    await Deno.mkdir(dirname(path), { recursive: true });
    await writeFile(path, file);
    // As dpkg-gencontrol counts (deb-substvars(5), Installed-Size).
    bytes += Math.ceil(sizeOf(path) / 1024) * 1024;
  }
  return bytes / 1024 + files.length;
}

/** Writes DEBIAN/, the sums of all files among it. */
export async function writeControl(
  folder: string,
  control: readonly ControlFile[],
  files: readonly PackedFile[],
): Promise<void> {
  await Deno.mkdir(join(folder, "DEBIAN"));
  const sums = files.filter(({ kind }) => kind !== "link")
    .map(({ path }) => path).sort()
    .map((path) => `${md5(join(folder, path))}  ${path.slice(1)}\n`);
  const conffiles = files.flatMap((file) =>
    file.kind === "text" && file.config ? [`${file.path}\n`] : []
  );
  const all = [
    ...control,
    { name: "md5sums", text: sums.join(""), executable: false },
    { name: "conffiles", text: conffiles.join(""), executable: false },
  ];
  for (const { name, text, executable } of all) {
    const path = join(folder, "DEBIAN", name);
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, executable ? 0o755 : 0o644);
  }
}

/** Times and modes of folders, from the innermost out. */
export async function settle(folder: string, date: Date): Promise<void> {
  for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    if (isDirectory) await settle(path, date);
    else if (isFile) await Deno.utime(path, date, date);
    // A link's own time is not looked at by dpkg, but it is packed.
    else await touchLink(path, date);
  }
  await Deno.chmod(folder, 0o755);
  await Deno.utime(folder, date, date);
}

async function writeFile(path: string, file: PackedFile): Promise<void> {
  switch (file.kind) {
    case "text":
      await Deno.writeTextFile(path, file.text);
      return await Deno.chmod(path, 0o644);
    case "gzip": {
      const bytes = gzipSync(file.text, { level: 9 });
      // RFC 1952: no time (bytes 4–7), and no name of the system (byte 9).
      bytes.fill(0, 4, 8);
      bytes[9] = 3;
      await Deno.writeFile(path, new Uint8Array(bytes));
      return await Deno.chmod(path, 0o644);
    }
    case "copy":
      await Deno.copyFile(file.from, path);
      return await Deno.chmod(path, file.executable ? 0o755 : 0o644);
    case "link":
      return await Deno.symlink(file.target, path);
  }
}

async function touchLink(path: string, date: Date): Promise<void> {
  await must([
    ...["touch", "--no-dereference", `--date=@${date.getTime() / 1000}`, path],
  ], { debian: "coreutils" });
}

function sizeOf(path: string): number {
  const { isSymlink, size } = Deno.lstatSync(path);
  return isSymlink ? 0 : size;
}

/** As deb-md5sums(5) wants it: against accidents, not against people. */
function md5(path: string): string {
  return createHash("md5").update(Deno.readFileSync(path)).digest("hex");
}

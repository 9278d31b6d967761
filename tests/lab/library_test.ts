/**
 * The C library is found where each kind of distribution has it, by its path on
 * the list of permissions and by no other; and the shim is loaded where the
 * host makes no executable memory files.
 *
 * Each in a root of its own: Deno, the project, and the library in one place.
 *
 * @module
 */

import assert from "node:assert/strict";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { NO_PROMPT, permissions } from "../../deploy/permissions.ts";
import { libcFiles } from "../../mod/sys/ffi.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { must, run, SHELL } from "./exec.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Where the program's own C library lies: nowhere that the program looks. */
const LOADED = "/loaded";

/** The dynamic linker of Deno, and the libraries that it needs. */
async function libraries(): Promise<{
  readonly linker: string;
  readonly files: readonly string[];
}> {
  const text = await must(["ldd", Deno.execPath()]);
  const files = [...text.matchAll(/(\/\S+) \(0x/g)].map(([, file = ""]) =>
    file
  );
  const linker = files.find((file) => basename(file).startsWith("ld-linux"));
  assert(linker !== undefined, text);
  return { linker, files };
}

/** Runs the agent as far as it comes without a cluster. */
async function start(
  allowed: readonly string[],
  { libc, prelude = "" }: {
    /** The one place where the root has it. */
    readonly libc: string;
    readonly prelude?: string;
  },
): Promise<string> {
  await using dir = await tempDir();
  const { linker, files } = await libraries();
  const cache = JSON.parse(await must([Deno.execPath(), "info", "--json"]));
  // Bound, not copied: the library that is found has to be the one that is loaded.
  const bind = (from: string, to: string): string => `
    mkdir -p ${dir.path}${to.replace(/\/[^/]*$/, "")}; touch ${dir.path}${to}
    mount --bind ${from} ${dir.path}${to}`;
  const libcFile = files.find((file) => basename(file) === "libc.so.6") ?? "";
  const script = `
    mount -t tmpfs root ${dir.path}
    ${files.map((file) => bind(file, `${LOADED}/${basename(file)}`)).join("")}
    ${bind(Deno.execPath(), "/deno")}
    ${bind(libcFile, libc)}
    for each in proc ${cache.denoDir} ${ROOT}; do
      mkdir -p ${dir.path}/$each; mount --rbind /$each ${dir.path}/$each
    done
    ${prelude}
    cd ${dir.path}; exec chroot . "$@"`;
  const { stdout, stderr } = await run([
    ...["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc"],
    ...["--", SHELL, "-euc", script, "sh"],
    ...[`${LOADED}/${basename(linker)}`, "--library-path", LOADED],
    ...["/deno", "run", "--quiet", "--no-check", "--cached-only", NO_PROMPT],
    ...[...allowed, `${ROOT}main.ts`],
    ...["run", "--once", "--server", "http://127.0.0.1:1"],
    ...["--backend", "userspace", "--interface", "cn-none"],
  ], { env: { DENO_DIR: cache.denoDir } });
  return stdout + stderr;
}

/** It comes only so far where the shim is loaded. */
const LOADED_SHIM = /Cannot reach a userspace WireGuard for link cn-none/;

function libraryTest(name: string, body: () => Promise<void>): void {
  const needs = { root: true, commands: ["unshare", "chroot", "ldd"] };
  Deno.test({ name, ignore: skipped(name, needs), fn: body });
}

for (const libc of libcFiles(Deno.build.arch)) {
  libraryTest(
    `a C library at ${libc} is opened, by its name on the list alone`,
    async () => {
      assert.match(await start(permissions(), { libc }), LOADED_SHIM);
      const others = libcFiles(Deno.build.arch).filter((each) => each !== libc);
      assert.match(
        await start(permissions({ libc: others }), { libc }),
        /Cannot load the shim: --allow-ffi names no C library that is here/,
      );
    },
  );
}

for (const value of [1, 2]) {
  libraryTest(
    `the shim is loaded where vm.memfd_noexec is ${value}`,
    async () => {
      const [libc = ""] = libcFiles(Deno.build.arch);
      // The setting is that of the process identifiers' namespace. Linux 6.3.
      const prelude =
        `[ ! -e /proc/sys/vm/memfd_noexec ] || echo ${value} >/proc/sys/vm/memfd_noexec`;
      assert.match(await start(permissions(), { libc, prelude }), LOADED_SHIM);
    },
  );
}

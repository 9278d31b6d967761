/**
 * `deno task compile` with a stand-in for `denort`: what it makes, and what it
 * says where it cannot.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { commitOf } from "../../deploy/entry.ts";
import { permissions, V8_FLAGS } from "../../deploy/permissions.ts";
import { tempDir } from "../support/temp_dir.ts";
import { type Embedded, readEmbedded } from "./embedded.ts";

const ROOT = new URL("../../", import.meta.url);

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function compile(
  args: readonly string[],
  { env = {}, folder = ROOT }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly folder?: URL;
  } = {},
): Promise<Said> {
  return await deno(["task", "--quiet", "compile", ...args], { env, folder });
}

async function deno(
  args: readonly string[],
  { env = {}, folder = ROOT }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly folder?: URL;
  } = {},
): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: folder,
    env: { NO_COLOR: "1", DENORT_BIN: "", ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The lists of `deno compile`'s metadata, as the flags that give them. */
function flagsOf(
  lists: Readonly<Record<string, readonly string[] | boolean | null>>,
): readonly string[] {
  return Object.entries(lists).flatMap(([name, list]) => {
    // What remote modules may be imported: Deno's default, and there are none.
    if (!Array.isArray(list) || name === "allow_import") return [];
    const flag = `--${name.replace("_", "-")}`;
    return [list.length === 0 ? flag : `${flag}=${list.join(",")}`];
  }).sort();
}

/** As esbuild writes bytes into a program. */
async function inBase64(path: string): Promise<string> {
  return (await Deno.readFile(new URL(path, ROOT))).toBase64()
    .replace(/=+$/, "");
}

const SHIMS = [".build/netlink.so", ".build/netlink-aarch64.so"] as const;

Deno.test("an executable for this machine has permissions, V8 flags, shim and commit in it", async () => {
  await using dir = await tempDir();
  const output = `${dir.path}/clusternet`;
  const { code, stdout, stderr } = await compile(["--output", output], {
    env: { DENORT_BIN: Deno.execPath() },
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /clusternet: \w+, [\d.]+ MB\n$/);
  assert.match(stderr, /is deno itself: the result will be deno as well/);
  const { size, mode } = await Deno.stat(output);
  assert.equal((mode ?? 0) & 0o111, 0o111);
  const base = (await Deno.stat(Deno.execPath())).size;
  assert(size - base < 8e6, `${size - base} bytes beside the runtime`);
  const { metadata, files } = await readEmbedded(output);
  assert.deepEqual(flagsOf(metadata.permissions), [...permissions()].sort());
  assert.equal(metadata.permissions["prompt"], false);
  for (const flag of V8_FLAGS.replace("--v8-flags=", "").split(",")) {
    assert(metadata.v8_flags.includes(flag), metadata.v8_flags.join(" "));
  }
  const all = [...files.values()].join("\n");
  assert(all.includes(await inBase64(SHIMS[0])), "the shim's bytes");
  assert(!all.includes(ROOT.pathname), "no path of the build machine");
  await answers(await readEmbedded(output), dir.path);
});

/** The embedded program, run by plain Deno under the embedded permissions. */
async function answers(
  { metadata, files }: Embedded,
  folder: string,
): Promise<void> {
  for (const [name, text] of files) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const file = `${folder}/${metadata.entrypoint_key}`;
  const flags = [...flagsOf(metadata.permissions), "--no-prompt"];
  const run = ["run", "--quiet", "--no-config", "--cached-only", ...flags];
  const said = await deno([...run, file, "version"]);
  assert.equal(said.code, 0, said.stderr);
  const commit = await commitOf(ROOT) ?? "unknown";
  assert.match(said.stdout, /, build compiled\)\n$/);
  assert(said.stdout.includes(`(commit ${commit}, `), said.stdout);
  // The shim is loaded before it looks for WireGuard.
  const nowhere = ["--server", "http://127.0.0.1:1", "--interface", "cn-none"];
  const userspace = ["--backend", "userspace", "--once"];
  const agent = await deno([...run, file, "run", ...nowhere, ...userspace]);
  assert.equal(agent.code, 1);
  assert.match(
    agent.stderr,
    /Cannot change links and routes: Operation not|Cannot reach a userspace WireGuard for link cn-none/,
  );
}

Deno.test("an executable for aarch64 has that machine's shim in it", async () => {
  await using dir = await tempDir();
  const built = await deno([
    ...["task", "--quiet", "shim", "--target", "aarch64"],
  ]);
  assert.equal(built.code, 0, built.stderr);
  // Any ELF file of that machine will do as a base.
  const denort = `${dir.path}/denort`;
  await Deno.copyFile(new URL(SHIMS[1], ROOT), denort);
  await Deno.chmod(denort, 0o755);
  const build = async (name: string): Promise<Uint8Array> => {
    const output = `${dir.path}/${name}`;
    await Deno.mkdir(output);
    const { code, stderr } = await compile(
      ["--target", "aarch64", "--output", `${output}/clusternet`],
      { env: { DENORT_BIN: denort } },
    );
    assert.equal(code, 0, stderr);
    return await Deno.readFile(`${output}/clusternet`);
  };
  assert.deepEqual(await build("one"), await build("two"), "reproducible");
  const { metadata, files } = await readEmbedded(`${dir.path}/one/clusternet`);
  const program = [...files.values()].join("\n");
  const flags = [...permissions({ arch: "aarch64" })].sort();
  assert.deepEqual(flagsOf(metadata.permissions), flags);
  assert(program.includes(await inBase64(SHIMS[1])), "the shim's bytes");
  if (Deno.build.arch !== "aarch64") {
    assert(!program.includes(await inBase64(SHIMS[0])), "and no other");
  }
});

Deno.test("where denort cannot be downloaded one sentence says what to type", async () => {
  await using dir = await tempDir();
  // Nobody listens there: no network has the same effect.
  const proxy = "http://127.0.0.1:1";
  const env = {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    DENO_DIR: await withoutRuntimes(dir.path),
  };
  const { code, stdout, stderr } = await compile(
    ["--output", `${dir.path}/clusternet`],
    { env },
  );
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /^Cannot compile for \w+: its runtime denort cannot be downloaded here \([^\n]+\); [^\n]*\n$/,
  );
  assert(stderr.includes("`DENORT_BIN=/path/to/denort deno task compile`"));
  assert(stderr.includes("`deno task build`"));
  const left = [...Deno.readDirSync(dir.path)].map(({ name }) => name);
  assert.deepEqual(left, ["deno-dir"], "nothing half-made is left");
});

Deno.test("where the bundler cannot be downloaded one sentence says so", async () => {
  await using dir = await tempDir();
  const proxy = "http://127.0.0.1:1";
  const denoDir = await withoutRuntimes(dir.path);
  await Deno.remove(`${denoDir}/dl`, { recursive: true });
  const { code, stderr } = await compile(
    ["--output", `${dir.path}/clusternet`],
    { env: { HTTPS_PROXY: proxy, https_proxy: proxy, DENO_DIR: denoDir } },
  );
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^Cannot bundle the program: [^\n]*esbuild[^\n]*: [^\n]+\n$/,
  );
});

/** A `DENO_DIR` with the npm packages and the bundler of the real one, and nothing else. */
async function withoutRuntimes(parent: string): Promise<string> {
  const { stdout } = await deno(["info", "--json"]);
  const { denoDir, npmCache } = JSON.parse(stdout);
  const dir = `${parent}/deno-dir`;
  await Deno.mkdir(`${dir}/dl`, { recursive: true });
  await Deno.symlink(npmCache, `${dir}/npm`);
  for (const { name } of Deno.readDirSync(`${denoDir}/dl`)) {
    if (!name.startsWith("esbuild")) continue;
    await Deno.symlink(`${denoDir}/dl/${name}`, `${dir}/dl/${name}`);
  }
  return dir;
}

Deno.test("a DENORT_BIN that cannot be a base is refused, with the reason", async () => {
  await using dir = await tempDir();
  const text = `${dir.path}/text`;
  await Deno.writeTextFile(text, "#!/bin/sh\n", { mode: 0o755 });
  const plain = `${dir.path}/plain`;
  await Deno.writeTextFile(plain, "", { mode: 0o644 });
  const rows: readonly (readonly [string, readonly string[], string])[] = [
    [`${dir.path}/none`, [], "there is no such file"],
    [dir.path, [], "it is not a file"],
    [plain, [], `it is not executable; run chmod +x ${plain}`],
    [
      text,
      [],
      `it is not an executable for Linux on ${Deno.build.arch}`,
    ],
    [
      Deno.execPath(),
      ["--target", Deno.build.arch === "aarch64" ? "x86_64" : "aarch64"],
      "it is not an executable for Linux on",
    ],
  ];
  for (const [path, args, why] of rows) {
    const { code, stderr } = await compile(
      [...args, "--output", `${dir.path}/clusternet`],
      { env: { DENORT_BIN: path } },
    );
    assert.equal(code, 1);
    const sentence = `Cannot compile with DENORT_BIN=${path}: ${why}`;
    assert(stderr.startsWith(sentence), stderr);
    assert.equal(stderr.split("\n").length, 2, stderr);
  }
});

Deno.test("without a C compiler the shim's sentence is said", async () => {
  await using dir = await tempDir();
  const { code, stderr } = await deno(
    [
      "run",
      "-A",
      "--no-check",
      "--quiet",
      fileURLToPath(await copyOf(dir.path)),
    ],
    { env: { DENORT_BIN: Deno.execPath(), PATH: dir.path } },
  );
  assert.equal(code, 1);
  assert.equal(
    stderr,
    'Cannot compile the shim: there is no C compiler "cc" here (Debian package gcc)\n',
  );
});

/** The project without `.build`: nothing is compiled yet. */
async function copyOf(parent: string): Promise<URL> {
  for (const name of ["deno.json", "deno.lock", "main.ts"]) {
    await Deno.copyFile(new URL(name, ROOT), `${parent}/${name}`);
  }
  for (const name of ["deploy", "ffi", "mod"]) {
    await Deno.mkdir(`${parent}/${name}`);
    await copyFolder(new URL(`${name}/`, ROOT).pathname, `${parent}/${name}`);
  }
  return new URL(`file://${parent}/deploy/compile.ts`);
}

async function copyFolder(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) {
      await Deno.mkdir(`${to}/${name}`);
      await copyFolder(`${from}/${name}`, `${to}/${name}`);
    } else {
      await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  }
}

Deno.test("arguments that it does not know are refused with those that it does", async () => {
  for (const args of [["--target", "riscv64"], ["--outputs", "x"], ["x"]]) {
    const { code, stderr } = await compile(args);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `Cannot read the arguments "${
        args.join(" ")
      }": --target x86_64|aarch64, --output FILE\n`,
    );
  }
});

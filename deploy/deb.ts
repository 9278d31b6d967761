/**
 * `deno task deb`: a Debian package of the bundled program, made of the same
 * files that `clusternet install` puts in place. The same sources and packages
 * give the same bytes.
 *
 * `.build/deb/clusternet_VERSION_ARCHITECTURE.deb`
 *
 * @module
 */

import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Target, TARGETS } from "../ffi/build.ts";
import { CNI_RUN_DIRECTORY } from "../mod/core/cni.ts";
import { LOCK_DIRECTORY } from "../mod/sys/lock.ts";
import { tableName } from "../mod/core/nftables.ts";
import { LINK_ALIAS, ROUTE_PROTOCOL } from "../mod/core/state.ts";
import { STATE_FILE_NAME } from "../mod/core/state_record.ts";
import { VERSION } from "../mod/core/version.ts";
import { build, outputFolder } from "./build.ts";
import {
  DOC_DIRECTORY,
  type PackedFile,
  programFiles,
  serviceFiles,
} from "./deb_files.ts";
import {
  type ControlFile,
  settle,
  writeControl,
  writeTree,
} from "./deb_tree.ts";
import { debianChangelog } from "./debian_changelog.ts";
import { must } from "./exec.ts";
import { sourceTime } from "./image_labels.ts";
import { licensesText } from "./licenses.ts";
import { type Help, manText } from "./man.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

const MAINTAINER = "The clusternet authors <maintainers@clusternet.dev>";

/** `dpkg --print-architecture` there. */
const ARCHITECTURES: Readonly<Record<Target, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

const SCRIPTS = ["postinst", "prerm", "postrm"] as const;

export interface DebOptions {
  readonly target: Target;
  /** Of the package; the program's by default. */
  readonly version?: string;
  /** Folder for the package. */
  readonly output?: string;
  /** Of xz, 0 to 9; 6 by default. */
  readonly level?: number;
  /** It is by default; not is quick, for tests. */
  readonly compressed?: boolean;
}

/**
 * Packs what `build(target)` has made.
 *
 * @returns path of the package
 * @throws {Error} with one sentence for people
 */
export async function makeDeb(options: DebOptions): Promise<string> {
  const { target, version = VERSION, level = 6, compressed = true } = options;
  const output = options.output ?? join(ROOT, ".build", "deb");
  const date = new Date(await sourceTime() * 1000);
  const architecture = ARCHITECTURES[target];
  const files = [
    ...programFiles(outputFolder(target)),
    ...serviceFiles(),
    ...await docFiles(version, date),
  ];
  await Deno.mkdir(output, { recursive: true });
  const folder = await Deno.makeTempDir({ prefix: "clusternet-deb-" });
  try {
    const installedSize = await writeTree(folder, files);
    const values = new Map([
      ["VERSION", version],
      ["ARCHITECTURE", architecture],
      ["MAINTAINER", MAINTAINER],
      ["INSTALLED_SIZE", String(installedSize)],
      ["ALIAS", LINK_ALIAS],
      ["PROTOCOL", String(ROUTE_PROTOCOL)],
      ["CNI_RUN", CNI_RUN_DIRECTORY],
      ["LOCK", LOCK_DIRECTORY],
      ["TABLE", tableName("clusternet")],
      ["STATE", STATE_FILE_NAME],
    ]);
    await writeControl(folder, await controlFiles(values), files);
    await settle(folder, date);
    const name = `clusternet_${version}_${architecture}.deb`;
    const deb = join(output, name);
    // As Debian itself: dpkg before 1.21.18 and lintian know no zstd.
    const compression = compressed ? ["-Zxz", `-z${level}`] : ["-Znone"];
    await pack(folder, deb, { date, compression });
    return deb;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function docFiles(
  version: string,
  date: Date,
): Promise<readonly PackedFile[]> {
  const read = (path: string): Promise<string> =>
    Deno.readTextFile(join(ROOT, path));
  const changelog = debianChangelog(await read("CHANGELOG.md"), {
    version,
    maintainer: MAINTAINER,
    date,
  });
  return [
    {
      kind: "text",
      path: `${DOC_DIRECTORY}/copyright`,
      text: await read("deploy/deb/copyright"),
    },
    {
      kind: "gzip",
      path: `${DOC_DIRECTORY}/THIRD_PARTY_LICENSES.gz`,
      text: await licensesText(),
    },
    {
      kind: "gzip",
      path: `${DOC_DIRECTORY}/changelog.gz`,
      text: changelog,
    },
    {
      kind: "gzip",
      path: "/usr/share/man/man8/clusternet.8.gz",
      text: manText(await helpOf(), { version, date }),
    },
    {
      kind: "text",
      path: "/usr/share/lintian/overrides/clusternet",
      text: await read("deploy/deb/lintian-overrides"),
    },
  ];
}

/** What the program says of itself, and of each command that has a help. */
async function helpOf(): Promise<Help> {
  const general = await help(["help"]);
  const names = [...general.matchAll(/^ {2}([a-z]+) +[A-Z]/gm)]
    .map(([, name = ""]) => name);
  const commands = new Map<string, string>();
  for (const name of names) {
    if (["help", "version"].includes(name)) continue;
    commands.set(name, await help([name, "--help"]));
  }
  return { general, commands };
}

function help(args: readonly string[]): Promise<string> {
  return must([
    ...[Deno.execPath(), "run", "--allow-all", "--no-check", "--quiet"],
    ...[join(ROOT, "main.ts"), ...args],
  ]);
}

async function controlFiles(
  values: ReadonlyMap<string, string>,
): Promise<readonly ControlFile[]> {
  const fill = (text: string): string =>
    text.replaceAll(/@([A-Z_]+)@/g, (_, name: string) => {
      const value = values.get(name);
      if (value === undefined) throw new TypeError(`Nobody knows @${name}@`);
      return value;
    });
  const read = async (name: string): Promise<string> =>
    fill(await Deno.readTextFile(join(ROOT, "deploy", "deb", name)));
  return [
    { name: "control", text: await read("control"), executable: false },
    ...await Promise.all(SCRIPTS.map(async (name) => ({
      name,
      text: await read(name),
      executable: true,
    }))),
  ];
}

async function pack(
  folder: string,
  deb: string,
  options: { readonly date: Date; readonly compression: readonly string[] },
): Promise<void> {
  const draft = `${deb}.${Deno.pid}`;
  await must([
    ...["dpkg-deb", "--root-owner-group", ...options.compression],
    ...["--build", folder, draft],
  ], {
    env: { SOURCE_DATE_EPOCH: String(options.date.getTime() / 1000) },
    debian: "dpkg",
  });
  await Deno.rename(draft, deb);
}

function parseOptions(args: readonly string[]): DebOptions {
  const options = new Map<string, string>();
  for (let at = 0; at < args.length; at += 2) {
    options.set(args[at] ?? "", args[at + 1] ?? "");
  }
  const { target = Deno.build.arch, version = VERSION, ...rest } = Object
    .fromEntries([...options].map(([flag, value]) => [flag.slice(2), value]));
  const known = TARGETS.find((one) => one === target);
  // deb-version(7), without epoch and revision: it is a part of a file's name.
  const good = /^[0-9][0-9A-Za-z.+~]*$/.test(version);
  if (known !== undefined && good && Object.keys(rest).length === 0) {
    return { target: known, version };
  }
  throw new Error(
    `Cannot read the arguments "${args.join(" ")}": --target ${
      TARGETS.join("|")
    }, --version VERSION`,
  );
}

if (import.meta.main) {
  try {
    const options = parseOptions(Deno.args);
    await build(options.target);
    const deb = await makeDeb(options);
    const { size } = await Deno.stat(deb);
    console.log(`${relative(Deno.cwd(), deb)}: ${(size / 1e6).toFixed(1)} MB`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}

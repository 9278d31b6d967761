/**
 * `deno task licenses`: `THIRD_PARTY_LICENSES`, the licences of everything in
 * the executables that is not ours, each text once. The same packages give the
 * same bytes.
 *
 * @module
 */

import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "../mod/core/version.ts";
import {
  cratesIn,
  debianPackages,
  type NpmPackage,
  npmPackages,
} from "./packages.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Where `deno task licenses` and `deno task release` put it. */
export const LICENSES_FILE = join(ROOT, ".build/THIRD_PARTY_LICENSES");

interface Notice {
  /** Whose it is: "zod 4.6.7 (MIT)". */
  readonly heading: string;
  readonly text: string;
}

/** @throws {Error} where a package has no licence, or is not here */
export async function licensesText(): Promise<string> {
  const npm = await npmPackages();
  const crates = cratesIn(await Deno.readFile(Deno.execPath()));
  const debian = await Promise.all(
    (await debianPackages()).map(async ({ name, version, part }) => ({
      heading: `${name} ${version} of Debian: ${part}`,
      text: await copyright(name),
    })),
  );
  const notices = [
    ...await Promise.all(npm.map(npmNotice)),
    {
      heading: `Deno ${Deno.version.deno} (MIT)`,
      text: await ownFile("deno.txt"),
    },
    {
      heading: `V8 ${Deno.version.v8} in Deno (BSD-3-Clause)`,
      text: await ownFile("v8.txt"),
    },
    ...debian,
    ...await commonLicenses(debian.map(({ text }) => text).join("\n")),
  ];
  const names = crates.map(({ name, version }) => `${name} ${version}`);
  const parts = [
    introduction(names),
    ...together(notices).map(({ heading, text }) =>
      `${"=".repeat(78)}\n${heading}\n${"=".repeat(78)}\n\n${text}\n`
    ),
  ];
  return parts.join("\n");
}

function introduction(crates: readonly string[]): string {
  return `Third-party licences of clusternet ${VERSION}

clusternet itself is under the Apache License 2.0. Its executables hold work of
others, under the licences below: npm packages in the bundled program; Deno, with
V8 in it; and of Debian the C library and the compiler's library beside Deno, and
the C library, zstd and nettle in the launcher. The launcher's source and the way
to link it anew are part of clusternet.

Deno in turn is built of crates, among them these, which its executable names.
Each is published with its licence under its name and version in Rust's public
registry; most are under MIT, Apache-2.0, BSD or ISC.

${wrapped(crates)}
`;
}

function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    const longer = last === undefined ? word : `${last}, ${word}`;
    if (last === undefined || longer.length > 77) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.join(",\n");
}

async function npmNotice(
  { name, version, license, folder }: NpmPackage,
): Promise<Notice> {
  const files = [...Deno.readDirSync(folder)]
    .map((entry) => entry.name)
    .filter((file) => /^(un)?licen[cs]e|^copying|^notice/i.test(file))
    .sort();
  if (files.length === 0) {
    throw new Error(
      `Cannot tell the licence of npm package ${name} ${version}: it has no such file`,
    );
  }
  const texts = await Promise.all(
    files.map((file) => Deno.readTextFile(join(folder, file))),
  );
  return {
    heading: `${name} ${version} (${license})`,
    text: tidy(texts.join("\n\n")),
  };
}

async function ownFile(name: string): Promise<string> {
  return tidy(await Deno.readTextFile(join(ROOT, "deploy/licenses", name)));
}

async function copyright(name: string): Promise<string> {
  const file = `/usr/share/doc/${name}/copyright`;
  try {
    return tidy(await Deno.readTextFile(file));
  } catch (cause) {
    throw new Error(
      `Cannot tell the licence of Debian's ${name}: ${file} is not here (a container may leave out documentation)`,
      { cause },
    );
  }
}

/** Those that Debian's texts only point to: whoever has no Debian needs them too. */
async function commonLicenses(texts: string): Promise<readonly Notice[]> {
  const named = texts.matchAll(
    /\/usr\/share\/common-licenses\/(\w[\w.-]*\w)/g,
  );
  const names = [...new Set([...named].map(([, name = ""]) => name))].sort();
  const found = await Promise.all(names.map(async (name) => {
    const file = `/usr/share/common-licenses/${name}`;
    const text = await Deno.readTextFile(file).catch(() => undefined);
    if (text === undefined) {
      throw new Error(
        `Cannot tell a licence: ${file} is not here (Debian package base-files)`,
      );
    }
    return { heading: `${name}, as Debian has it`, text: tidy(text) };
  }));
  return found;
}

/** One entry for all that have the same text. */
function together(notices: readonly Notice[]): readonly Notice[] {
  const byText = new Map<string, string[]>();
  for (const { heading, text } of notices) {
    const headings = byText.get(text);
    if (headings === undefined) byText.set(text, [heading]);
    else headings.push(heading);
  }
  return [...byText].map(([text, headings]) => ({
    heading: headings.join("\n"),
    text,
  }));
}

function tidy(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(/[ \t]+$/gm, "")
    .replace(/^\n+/, "").trimEnd();
}

if (import.meta.main) {
  try {
    const [flag, value] = Deno.args;
    if (Deno.args.length !== 0 && (flag !== "--output" || !value)) {
      throw new Error(
        `Cannot read the arguments "${Deno.args.join(" ")}": --output FILE`,
      );
    }
    // The task runs in the project's folder, wherever it was typed.
    const here = Deno.env.get("INIT_CWD") ?? Deno.cwd();
    const file = value === undefined ? LICENSES_FILE : resolve(here, value);
    const text = await licensesText();
    await Deno.mkdir(resolve(file, ".."), { recursive: true });
    await Deno.writeTextFile(file, text);
    const kilobytes = (new TextEncoder().encode(text).length / 1e3).toFixed(0);
    console.log(`${relative(Deno.cwd(), file)}: ${kilobytes} kB`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}

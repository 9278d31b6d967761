/**
 * `deno task licenses`: a licence for all that the executables hold of others,
 * and the same bytes each time.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { licensesText } from "../../deploy/licenses.ts";
import { DEBIAN_PARTS, npmPackages } from "../../deploy/packages.ts";
import { runtimeParts } from "../../deploy/runtime_files.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const ROOT = new URL("../../", import.meta.url);
const NEEDS = {
  commands: ["cc"],
  files: DEBIAN_PARTS.map(({ name }) => `/usr/share/doc/${name}/copyright`),
};

async function output(
  command: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const [program = "", ...args] = command;
  const { code, stdout } = await new Deno.Command(program, {
    args,
    cwd: ROOT,
    stderr: "null",
  }).output();
  return { code, text: new TextDecoder().decode(stdout).trim() };
}

/** Each heading's lines, and the text under it. */
function sections(
  text: string,
): readonly { readonly headings: readonly string[]; readonly body: string }[] {
  const rule = "=".repeat(78);
  const [, ...parts] = text.split(`${rule}\n`);
  const result = [];
  for (let at = 0; at < parts.length; at += 2) {
    const headings = (parts[at] ?? "").trim().split("\n");
    result.push({ headings, body: (parts[at + 1] ?? "").trim() });
  }
  return result;
}

let made: Promise<string> | undefined;

/** Made once for all tests. */
function licenses(): Promise<string> {
  made ??= licensesText();
  return made;
}

function licensesTest(name: string, body: () => Promise<void>): void {
  Deno.test({ name, ignore: skipped(name, NEEDS), fn: body });
}

licensesTest(
  "two runs give the same licences, without a path of this machine",
  async () => {
    const text = await licensesText();
    assert.equal(await licensesText(), text);
    assert.doesNotMatch(text, /\.cache\/|\r/);
    assert(!text.includes(fileURLToPath(ROOT)));
  },
);

licensesTest(
  "every file of another in the bundle has its package's licence",
  async () => {
    const found = sections(await licenses());
    const headings = found.flatMap((section) => section.headings);
    await using dir = await tempDir();
    // In one piece and not minified: otherwise than the list was made.
    const { code } = await output([
      ...[Deno.execPath(), "bundle", "--quiet", "--platform", "deno"],
      ...["--unstable-raw-imports", "--sourcemap", "external"],
      ...["--output", `${dir.path}/main.js`, "main.ts"],
    ]);
    assert.equal(code, 0);
    const { sources }: { readonly sources: readonly string[] } = JSON.parse(
      await Deno.readTextFile(`${dir.path}/main.js.map`),
    );
    const foreign = sources.filter((source) => /\/npm\//.test(source));
    assert(foreign.length > 100, `${foreign.length} files`);
    const without = foreign.filter((source) =>
      !headings.some((heading) => {
        const [, name, version] = /^(\S+) (\S+) \([^)]+\)$/.exec(heading) ?? [];
        return source.includes(`/${name}/${version}/`);
      })
    );
    assert.deepEqual(without, []);
  },
);

licensesTest(
  "every package of the list is locked, and every licence is one",
  async () => {
    const lock = JSON.parse(
      await Deno.readTextFile(new URL("deno.lock", ROOT)),
    );
    const locked = Object.entries(lock.npm).map(([id]) => id);
    for (const { name, version, integrity } of await npmPackages()) {
      const id = `${name}@${version}`;
      const key = locked.find((each) =>
        each === id || each.startsWith(`${id}_`)
      );
      assert(key !== undefined, id);
      assert.equal(lock.npm[key].integrity, integrity);
    }
    for (const { headings, body } of sections(await licenses())) {
      assert(headings.every((heading) => heading !== ""));
      assert.match(
        body,
        /permission (is|to)|permitted|permissions|public domain|everyone is/i,
        headings.join(", "),
      );
    }
  },
);

licensesTest(
  "every file that the build takes of Debian has its package's licence",
  async () => {
    const { files } = await runtimeParts(
      Deno.build.arch === "aarch64" ? "aarch64" : "x86_64",
    );
    const taken = files.map(({ source }) => source)
      .filter((source) => source !== Deno.execPath());
    for (const name of ["libc.a", "libzstd.a", "libnettle.a"]) {
      const { text } = await output(["cc", `-print-file-name=${name}`]);
      taken.push(await Deno.realPath(text));
    }
    const listed = DEBIAN_PARTS.map(({ name }) => name);
    const used = new Set<string>();
    for (const file of taken) {
      const name = await packageOf(file);
      assert(listed.includes(name), `${file} is of ${name}`);
      used.add(name);
    }
    assert.deepEqual([...used].sort(), [...listed].sort());
    const headings = sections(await licenses()).flatMap((each) =>
      each.headings
    );
    for (const name of listed) {
      assert(headings.some((heading) => heading.startsWith(`${name} `)), name);
    }
  },
);

/** dpkg knows a file by one of its names. */
async function packageOf(file: string): Promise<string> {
  const plain = file.replace(/^\/usr(?=\/lib)/, "");
  for (const name of [plain, `/usr${plain}`]) {
    const { code, text } = await output(["dpkg-query", "--search", name]);
    if (code === 0) return text.split(":")[0] ?? "";
  }
  throw new Error(`Cannot tell which package ${file} is of`);
}

/**
 * The Debian package: what is in it, that it is well made, and that whoever
 * builds it gets the same bytes. What it does to a machine: `tests/systemd/`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { outputFolder } from "../../deploy/build.ts";
import { makeDeb } from "../../deploy/deb.ts";
import { EXECUTABLE } from "../../deploy/deb_files.ts";
import type { Target } from "../../ffi/build.ts";
import { deployedFiles, ENV_FILE } from "../../mod/cli/install_files.ts";
import { VERSION } from "../../mod/core/version.ts";
import { must, run } from "../lab/exec.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const DEB = new URL("../../deploy/deb.ts", import.meta.url).href;
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** The stage has built the one for this machine. */
const BUILD = [Deno.execPath(), "task", "--quiet", "--config", CONFIG, "build"];

/** What the test's own haste brings about. */
const UNCOMPRESSED = ["control", "data"].map((part) =>
  `uses-no-compression-for-${part}-tarball`
);

const PROGRAM = "usr/lib/clusternet/clusternet";

const MACHINES: readonly (readonly [Target, string])[] = [
  ["x86_64", "amd64"],
  ["aarch64", "arm64"],
];

type Claim = (deb: string, folder: string) => Promise<void>;

/** Of the package of every machine. */
const CLAIMS: Readonly<Record<string, Claim>> = {
  "lintian finds nothing but what is meant so": lintian,
  "it needs no library of the machine's": needs,
};

/** Of one that can be run here. */
const OWN_CLAIMS: Readonly<Record<string, Claim>> = {
  "every file is where a package has it, root's, and there are no more": files,
  "what it says of its files is so": controls,
  "its program runs from the package's tree as it is": runs,
  "its manual has all that the program can be told": manual,
  "another user in another place makes the same bytes": sameBytes,
};

for (const [target, architecture] of MACHINES) {
  const name = `the Debian package for ${architecture}`;
  const own = target === Deno.build.arch;
  Deno.test({
    name,
    ignore: skipped(name, {
      commands: [
        ...["dpkg-deb", "lintian"],
        ...(own ? [] : [`${target}-linux-gnu-gcc`, "npm", "apt-get"]),
      ],
    }),
    fn: async (t) => {
      await using dir = await tempDir();
      if (!own) await must([...BUILD, "--target", target]);
      const output = join(dir.path, "first");
      // Quick; the one that is given away differs in nothing but its size.
      const deb = await makeDeb({ target, compressed: false, output });
      assert.equal(deb, `${output}/clusternet_${VERSION}_${architecture}.deb`);
      const field = await must(["dpkg-deb", "--field", deb, "Architecture"]);
      assert.equal(field.trim(), architecture);
      for (
        const [claim, body] of Object.entries({
          ...CLAIMS,
          ...(own ? OWN_CLAIMS : {}),
        })
      ) {
        await t.step(claim, async () => {
          const folder = await Deno.makeTempDir({ dir: dir.path });
          await body(deb, folder);
        });
      }
    },
  });
}

async function lintian(deb: string): Promise<void> {
  const { stdout, stderr } = await run([
    ...["lintian", "--allow-root", "--show-overrides"],
    ...["--suppress-tags", UNCOMPRESSED.join(","), deb],
  ]);
  const lines = stdout.split("\n");
  assert.deepEqual(lines.filter((line) => /^[EW]: /.test(line)), [], stderr);
  // The runtime and the launcher are all that is excused.
  const excused = lines.filter((line) => line.startsWith("O: "));
  assert(excused.length > 0, stdout + stderr);
  for (const line of excused) assert.match(line, /usr\/lib\/clusternet\//);
}

async function needs(deb: string): Promise<void> {
  const fields = new Map(
    [...(await must(["dpkg-deb", "--field", deb])).matchAll(/^(\S+): (.*)$/gm)]
      .map(([, name = "", value = ""]) => [name, value]),
  );
  assert.equal(fields.get("Package"), "clusternet");
  assert.equal(fields.get("Version"), VERSION);
  assert.equal(fields.get("Depends"), undefined);
  assert.match(fields.get("Recommends") ?? "", /\bcontainernetworking-plugins/);
  assert.match(fields.get("Suggests") ?? "", /wireguard-go, wireguard-tools/);
  const kib = Number(fields.get("Installed-Size"));
  assert(kib > 80_000 && kib < 130_000, `${kib} KiB`);
}

async function files(deb: string): Promise<void> {
  const { launcher, runtime, links, others } = await contents(deb);
  assert.deepEqual(launcher, [`-rwxr-xr-x root/root ${PROGRAM}`]);
  const built = join(outputFolder(Deno.build.arch), "runtime");
  const there = (await must(["find", built, "-type", "f"])).trim().split("\n")
    .map((path) => path.replace(built, `${PROGRAM}.runtime`));
  assert.deepEqual(
    runtime.map((line) => line.split(" ")[2] ?? "").sort(),
    there.sort(),
  );
  assert.deepEqual(links, [
    "usr/bin/clusternet -> ../lib/clusternet/clusternet",
  ]);
  const expected = [
    ...deployedFiles({ executable: EXECUTABLE }).map((it) => it.packaged),
    "/usr/share/doc/clusternet/THIRD_PARTY_LICENSES.gz",
    "/usr/share/doc/clusternet/changelog.gz",
    "/usr/share/doc/clusternet/copyright",
    "/usr/share/lintian/overrides/clusternet",
    "/usr/share/man/man8/clusternet.8.gz",
  ].map((path) => `-rw-r--r-- root/root ${path.slice(1)}`);
  assert.deepEqual([...others].sort(), expected.sort());
}

async function controls(deb: string, folder: string): Promise<void> {
  await must(["dpkg-deb", "--raw-extract", deb, folder]);
  for (
    const { packaged, text } of deployedFiles({ executable: EXECUTABLE })
  ) {
    assert.equal(await Deno.readTextFile(`${folder}${packaged}`), text);
    assert(!text.includes("/usr/local/"), packaged);
  }
  const control = `${folder}/DEBIAN`;
  assert.equal(
    await Deno.readTextFile(`${control}/conffiles`),
    `${ENV_FILE}\n`,
  );
  await must([
    ...["sh", "-euc", 'cd "$1"; md5sum --quiet -c DEBIAN/md5sums'],
    ...["sh", folder],
  ]);
  for (const name of ["postinst", "prerm", "postrm"]) {
    const script = await Deno.readTextFile(`${control}/${name}`);
    assert.doesNotMatch(script, /@[A-Z_]+@/, `${name} is filled in`);
    await must(["sh", "-n", `${control}/${name}`]);
  }
}

async function runs(deb: string, folder: string): Promise<void> {
  await must(["dpkg-deb", "--extract", deb, folder]);
  const said = await must([`${folder}${EXECUTABLE}`, "version"], {
    env: { HOME: "/nonexistent" },
  });
  assert.match(said, new RegExp(`^clusternet ${VERSION} .*build bundled`));
}

async function manual(deb: string, folder: string): Promise<void> {
  await must(["dpkg-deb", "--extract", deb, folder]);
  const page = await must([
    "zcat",
    `${folder}/usr/share/man/man8/clusternet.8.gz`,
  ]);
  for (
    const text of [
      ".B \\-\\-cluster\\-cidr CIDR",
      '.SH "CLUSTERNET UNINSTALL"',
      ".B \\-\\-purge",
      ".I /var/lib/clusternet/state.json",
    ]
  ) assert(page.includes(`\n${text}\n`), `${text} in:\n${page}`);
}

/** What xz makes of the same bytes is the same, with any number of threads. */
async function sameBytes(first: string, output: string): Promise<void> {
  const options = { target: Deno.build.arch, compressed: false, output };
  await must([
    ...["sh", "-euc", 'umask 077; cd /; exec "$@"', "sh"],
    ...[Deno.execPath(), "eval", "--quiet", "--no-check", "--config", CONFIG],
    `const { makeDeb } = await import(${JSON.stringify(DEB)});
     await makeDeb(${JSON.stringify(options)});`,
  ], { env: { TZ: "Pacific/Auckland", LC_ALL: "C", TMPDIR: output } });
  const second = `${output}/${basename(first)}`;
  const sums = await must(["sha256sum", first, second]);
  const [one, other] = sums.split("\n").map((line) => line.split(" ")[0]);
  assert.equal(one, other);
}

interface Contents {
  readonly launcher: readonly string[];
  readonly runtime: readonly string[];
  readonly links: readonly string[];
  readonly others: readonly string[];
}

/** "mode owner path" of all but directories, which are 0755 root's. */
async function contents(deb: string): Promise<Contents> {
  const lines = (await must(["dpkg-deb", "--contents", deb])).trim().split("\n")
    .map((line) => {
      const [mode = "", owner = "", , , , ...path] = line.split(/\s+/);
      return { mode, owner, path: path.join(" ").slice(2) };
    });
  for (const { mode, owner, path } of lines) {
    if (mode.startsWith("d")) {
      assert.equal(`${mode} ${owner}`, "drwxr-xr-x root/root", path);
    }
  }
  const text = ({ mode, owner, path }: typeof lines[number]): string =>
    `${mode} ${owner} ${path}`;
  const regular = lines.filter(({ mode }) => mode.startsWith("-"));
  const of = (match: (path: string) => boolean): readonly string[] =>
    regular.filter(({ path }) => match(path)).map(text);
  const inRuntime = (path: string): boolean =>
    path.startsWith(`${PROGRAM}.runtime/`);
  return {
    launcher: of((path) => path === PROGRAM),
    runtime: of(inRuntime),
    links: lines.filter(({ mode }) => mode.startsWith("l"))
      .map(({ path }) => path),
    others: of((path) => path !== PROGRAM && !inRuntime(path)),
  };
}

/**
 * `deno task sbom`: valid CycloneDX of all that is in the executable, and the
 * same bytes each time.
 *
 * @module
 */

// The validator takes these three where they are there.
import "ajv";
import "ajv-formats";
import "ajv-formats-draft2019";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { sumOf } from "../../deploy/manifest.ts";
import { DEBIAN_PARTS, npmPackages } from "../../deploy/packages.ts";
import { sbomText } from "../../deploy/sbom.ts";
import { VERSION } from "../../mod/core/version.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const ROOT = new URL("../../", import.meta.url);
const TARGET = Deno.build.arch === "aarch64" ? "aarch64" : "x86_64";
const NEEDS = {
  commands: ["cc"],
  files: DEBIAN_PARTS.map(({ name }) => `/usr/share/doc/${name}/copyright`),
};

interface Described {
  readonly "bom-ref": string;
  readonly name: string;
  readonly group?: string;
  readonly version: string;
  readonly purl?: string;
  readonly hashes?: readonly {
    readonly alg: string;
    readonly content: string;
  }[];
  readonly licenses?: readonly unknown[];
  readonly components?: readonly Described[];
}

interface Bom {
  readonly metadata: { readonly component: Described };
  readonly components: readonly Described[];
  readonly dependencies: readonly {
    readonly ref: string;
    readonly dependsOn?: readonly string[];
  }[];
}

let made: Promise<string> | undefined;

/** Made once for all tests. */
function sbom(): Promise<string> {
  made ??= sbomText(TARGET);
  return made;
}

function sbomTest(name: string, body: () => Promise<void>): void {
  Deno.test({ name, ignore: skipped(name, NEEDS), fn: body });
}

sbomTest("the bill of materials is valid CycloneDX 1.6", async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  assert.equal(await validator.validate(await sbom()), null);
  const broken = (await sbom()).replace('"type": "library"', '"type": "book"');
  assert.notEqual(await validator.validate(broken), null, "it looks");
});

sbomTest(
  "two runs give the same bill, without a path of this machine",
  async () => {
    const text = await sbom();
    assert.equal(await sbomText(TARGET), text);
    assert(!text.includes(fileURLToPath(ROOT)));
    assert.doesNotMatch(text, /\.cache\//);
  },
);

sbomTest(
  "it names every bundled package with its digest in deno.lock",
  async () => {
    const { components }: Bom = JSON.parse(await sbom());
    const packages = components.filter(({ purl }) =>
      /^pkg:npm\/(?!deno@)/.test(purl ?? "")
    );
    const said = packages.map(({ group, name, version, hashes }) => {
      const id = group === undefined ? name : `${group}/${name}`;
      return `${id}@${version} ${hashes?.[0]?.alg} ${hashes?.[0]?.content}`;
    });
    const bundled = (await npmPackages()).map(
      ({ name, version, integrity }) => {
        const [algorithm = "", digest = ""] = integrity.split(/-(.*)/);
        const hex = Uint8Array.fromBase64(digest).toHex();
        return `${name}@${version} ${algorithm.replace("sha", "SHA-")} ${hex}`;
      },
    );
    assert.deepEqual(said.sort(), bundled.sort());
    const lock = JSON.parse(
      await Deno.readTextFile(new URL("deno.lock", ROOT)),
    );
    const digests = Object.values(lock.npm).map((entry) =>
      JSON.stringify(entry).match(/sha512-([^"]+)/)?.[1] ?? ""
    );
    const locked = new Set(
      digests.map((each) => Uint8Array.fromBase64(each).toHex()),
    );
    for (const { name, hashes } of packages) {
      assert(locked.has(hashes?.[0]?.content ?? ""), name);
    }
  },
);

sbomTest(
  "it names Deno with its parts, the C library, the shim and the launcher",
  async () => {
    const { metadata, components }: Bom = JSON.parse(await sbom());
    assert.equal(metadata.component.version, VERSION);
    const find = (name: string): Described => {
      const found = components.find((each) => each.name === name);
      assert(found !== undefined, name);
      assert((found.licenses ?? []).length > 0, `licence of ${name}`);
      return found;
    };
    const deno = find("deno");
    assert.equal(deno.version, Deno.version.deno);
    const parts = new Map(deno.components?.map((each) => [each.name, each]));
    assert.equal(parts.get("v8")?.version, Deno.version.v8);
    assert.match(parts.get("tokio")?.purl ?? "", /^pkg:cargo\/tokio@1\./);
    assert(parts.size > 200, `${parts.size} crates`);
    for (const { name } of DEBIAN_PARTS) {
      assert.match(find(name).purl ?? "", /^pkg:deb\/debian\//);
    }
    const sum = async (path: string | URL): Promise<unknown> => [
      { alg: "SHA-256", content: await sumOf(await Deno.readFile(path)) },
    ];
    assert.deepEqual(deno.hashes, await sum(Deno.execPath()));
    const shim = new URL(".build/netlink.so", ROOT);
    assert.deepEqual(find("netlink.so").hashes, await sum(shim));
    assert.equal(find("launcher").hashes?.[0]?.content.length, 64);
  },
);

sbomTest(
  "each part is needed by something that the program needs",
  async () => {
    const { metadata, components, dependencies }: Bom = JSON.parse(
      await sbom(),
    );
    const needs = new Map(
      dependencies.map(({ ref, dependsOn = [] }) => [ref, dependsOn]),
    );
    const reached = new Set<string>();
    const visit = (ref: string): void => {
      if (reached.has(ref)) return;
      reached.add(ref);
      assert(needs.has(ref), `${ref} is described`);
      needs.get(ref)?.forEach(visit);
    };
    visit(metadata.component["bom-ref"]);
    const alone = components.filter((each) => !reached.has(each["bom-ref"]));
    assert.deepEqual(alone.map(({ name }) => name), []);
  },
);

sbomTest(
  "the task writes it where it is told to, and refuses other arguments",
  async () => {
    await using dir = await tempDir();
    const task = async (args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "--quiet", "sbom", ...args],
        cwd: ROOT,
      }).output();
      return new TextDecoder().decode(new Uint8Array([...stdout, ...stderr]));
    };
    const output = `${dir.path}/here/sbom.json`;
    assert.match(
      await task(["--output", output]),
      /sbom\.json: \d+ components/,
    );
    assert.equal(await Deno.readTextFile(output), await sbom());
    assert.match(
      await task(["--target", "riscv64"]),
      /^Cannot read the arguments "--target riscv64": --target x86_64\|aarch64, --output FILE$/m,
    );
  },
);

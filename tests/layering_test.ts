/**
 * Folder = layer: an import may only go along an arrow of the architecture.
 *
 * @module
 */

import assert from "node:assert/strict";

const MOD = new URL("../mod/", import.meta.url);

/** What a layer may import: other layers, and packages or built-ins by exact name. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  core: ["core", "zod"],
  wire: ["core", "wire"],
  view: ["core", "view"],
  doctor: ["core", "view", "doctor"],
  agent: ["core", "agent"],
  sys: ["core", "wire", "sys", "js-yaml", "node:"],
  cli: [
    ...["core", "wire", "view", "doctor", "agent", "sys", "cli"],
    ...["js-yaml", "node:"],
  ],
};

/** Reaching for the world: forbidden in these layers. */
const AMBIENT =
  /\b(Deno\.(?!customInspect)|Date\.now|new Date\(\)|Math\.random|performance\.now|crypto\.getRandomValues|console\.|fetch\(|setTimeout\(|setInterval\()/;

interface Source {
  readonly layer: string;
  readonly name: string;
  readonly text: string;
}

function* sources(): Generator<Source> {
  const layers = [...Deno.readDirSync(MOD)].map(({ name }) => name);
  for (const layer of layers) {
    assert.ok(layer in MAY, `mod/${layer} is no layer of the architecture`);
    for (const entry of Deno.readDirSync(new URL(`${layer}/`, MOD))) {
      if (!entry.name.endsWith(".ts")) continue;
      const url = new URL(`${layer}/${entry.name}`, MOD);
      const text = Deno.readTextFileSync(url);
      yield { layer, name: `${layer}/${entry.name}`, text };
    }
  }
}

function* imports(text: string): Generator<string> {
  const pattern =
    /^(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  for (const match of text.matchAll(pattern)) {
    yield match[1] ?? match[2] ?? match[3] ?? "";
  }
}

function target(layer: string, specifier: string): string {
  if (specifier.startsWith("./")) return layer;
  const [, other] = /^\.\.\/([a-z]+)\//.exec(specifier) ?? [];
  return other ?? specifier;
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(
    /^\s*\/\/.*$/gm,
    "",
  );
}

Deno.test("every import goes along an arrow", () => {
  const wrong: string[] = [];
  for (const { layer, name, text } of sources()) {
    for (const specifier of imports(withoutComments(text))) {
      const to = target(layer, specifier);
      const allowed = MAY[layer]?.some((may) =>
        to === may || (may.endsWith(":") && to.startsWith(may))
      );
      // The shim's bytes are the one thing that sys takes from outside mod,
      // the texts of the files that are deployed the one thing of cli.
      const shim = layer === "sys" && specifier.endsWith(".so");
      const deployed = name === "cli/install_files.ts" &&
        specifier.startsWith("../../deploy/systemd/");
      if (!allowed && !shim && !deployed) {
        wrong.push(`${name} imports ${specifier}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("only sys and cli reach for what is ambient", () => {
  const wrong: string[] = [];
  for (const { layer, name, text } of sources()) {
    if (layer === "sys" || layer === "cli") continue;
    const [found] = AMBIENT.exec(withoutComments(text)) ?? [];
    if (found !== undefined) wrong.push(`${name} uses ${found}`);
  }
  assert.deepEqual(wrong, []);
});

Deno.test("main.ts imports cli and nothing else", () => {
  const text = Deno.readTextFileSync(new URL("../main.ts", import.meta.url));
  const wrong = [...imports(text)].filter((specifier) =>
    !specifier.startsWith("./mod/cli/")
  );
  assert.deepEqual(wrong, []);
});

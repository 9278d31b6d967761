/**
 * `deno task sbom`: the bill of materials of the executable of `deno task build`,
 * in CycloneDX 1.6, by the library of those who keep that format. npm packages
 * are those of deno.lock that the bundler took, with its digests. The same
 * sources and packages give the same bytes.
 *
 * @module
 */

import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildShim, type Target } from "../ffi/build.ts";
import { VERSION } from "../mod/core/version.ts";
import { buildInfo } from "./entry.ts";
import { compileLauncher, compilerFor } from "./launcher.ts";
import { sumOf } from "./manifest.ts";
import { parseFileOptions } from "./options.ts";
import {
  cratesIn,
  type DebianPackage,
  debianPackages,
  type NpmPackage,
  npmPackages,
} from "./packages.ts";

import { runtimeParts } from "./runtime_files.ts";

const { Component } = Models;
type Component = Models.Component;

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Debian's names of the machines. */
const DEBIAN_MACHINES: Readonly<Record<Target, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

/** @throws {Error} with one sentence for people */
export async function sbomText(target: Target): Promise<string> {
  const npm = npmComponents(await npmPackages());
  const debian = new Map(
    (await debianPackages()).map((each) => [
      each.name,
      debianComponent(each, target),
    ]),
  );
  const of = (...names: readonly string[]): readonly Component[] =>
    names.flatMap((name) => debian.get(name) ?? []);
  const deno = await denoComponent(target);
  depend(deno, of("libc6", "libgcc-s1"));
  const shim = await shimComponent(target);
  const launcher = await launcherComponent(target);
  depend(launcher, of("libc6-dev", "libzstd-dev", "nettle-dev"));
  const program = await programComponent();
  depend(program, [deno, shim, launcher, ...await directOf(npm)]);
  const bom = new Models.Bom();
  bom.metadata.component = program;
  bom.metadata.lifecycles.add(Enums.LifecyclePhase.Build);
  const time = await commitTime();
  if (time !== undefined) bom.metadata.timestamp = time;
  const all = [deno, shim, launcher, ...npm.values(), ...debian.values()];
  for (const component of all) bom.components.add(component);
  const text = new Serialize.JsonSerializer(
    new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6),
  ).serialize(bom, { sortLists: true, space: 2 });
  return `${text}\n`;
}

function depend(
  component: Component,
  on: readonly Component[],
): void {
  for (const { bomRef } of on) component.dependencies.add(bomRef);
}

async function programComponent(): Promise<Component> {
  const { Application } = Enums.ComponentType;
  const component = new Component(Application, "clusternet", {
    version: VERSION,
    bomRef: "clusternet",
    purl: `pkg:generic/clusternet@${VERSION}`,
    description: "Kubernetes pod network over WireGuard",
  });
  license(component, "Apache-2.0");
  const { commit } = await buildInfo("bundled");
  if (commit !== undefined) {
    component.properties.add(new Models.Property("clusternet:commit", commit));
  }
  return component;
}

function npmComponents(
  packages: readonly NpmPackage[],
): ReadonlyMap<string, Component> {
  const components = new Map(packages.map((each) => {
    const { name: id, version, integrity } = each;
    const [scope, name] = id.startsWith("@") ? id.split("/") : ["", id];
    const purl = `pkg:npm/${id.replace("@", "%40")}@${version}`;
    const component = new Component(Enums.ComponentType.Library, name ?? id, {
      ...(scope ? { group: scope } : {}),
      ...{ version, purl, bomRef: purl },
      scope: Enums.ComponentScope.Required,
    });
    license(component, each.license);
    const digest = Uint8Array.fromBase64(integrity.replace(/^sha512-/, ""));
    component.hashes.set(Enums.HashAlgorithm["SHA-512"], digest.toHex());
    return [`${id}@${version}`, component];
  }));
  for (const { name, version, needs } of packages) {
    const component = components.get(`${name}@${version}`);
    if (component === undefined) continue;
    depend(component, needs.flatMap((id) => components.get(id) ?? []));
  }
  return components;
}

/** Those that the program itself imports. */
async function directOf(
  npm: ReadonlyMap<string, Component>,
): Promise<readonly Component[]> {
  const config: { readonly imports: Readonly<Record<string, string>> } = JSON
    .parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  return Object.values(config.imports).flatMap((specifier) =>
    npm.get(specifier.replace(/^npm:/, "")) ?? []
  );
}

/** With what its executable tells of its own parts. */
async function denoComponent(target: Target): Promise<Component> {
  const { files, versions } = await runtimeParts(target);
  const file = files.find(({ path }) => path === "deno");
  const bytes = await Deno.readFile(file?.source ?? Deno.execPath());
  const version = new Map(versions).get("deno") ?? Deno.version.deno;
  const v8Version = Deno.version.v8;
  const deno = new Component(Enums.ComponentType.Platform, "deno", {
    ...{ version, purl: `pkg:npm/deno@${version}`, bomRef: "deno" },
  });
  license(deno, "MIT");
  deno.hashes.set(Enums.HashAlgorithm["SHA-256"], await sumOf(bytes));
  const v8 = new Component(Enums.ComponentType.Library, "v8", {
    ...{ version: v8Version, bomRef: "v8" },
    purl: `pkg:generic/v8@${v8Version}`,
  });
  license(v8, "BSD-3-Clause");
  deno.components.add(v8);
  for (const { name, version } of cratesIn(bytes)) {
    const purl = `pkg:cargo/${name}@${encodeURIComponent(version)}`;
    deno.components.add(
      new Component(Enums.ComponentType.Library, name, {
        ...{ version, purl, bomRef: purl },
      }),
    );
  }
  return deno;
}

function debianComponent(
  { name, version, part, license: expression }: DebianPackage,
  target: Target,
): Component {
  const machine = DEBIAN_MACHINES[target];
  const encoded = encodeURIComponent(version);
  const purl = `pkg:deb/debian/${name}@${encoded}?arch=${machine}`;
  const component = new Component(Enums.ComponentType.Library, name, {
    ...{ version, purl, bomRef: `debian/${name}`, description: part },
  });
  license(component, expression);
  return component;
}

async function shimComponent(target: Target): Promise<Component> {
  const own = target === Deno.build.arch;
  const file = await buildShim(own ? undefined : target);
  return await ownComponent("netlink.so", {
    description: `the shim, for ${target}: ffi/netlink.c`,
    bytes: await Deno.readFile(file),
  });
}

async function launcherComponent(target: Target): Promise<Component> {
  const folder = await Deno.makeTempDir({ prefix: "clusternet-launcher-" });
  try {
    const file = join(folder, "launcher");
    await compileLauncher(await compilerFor(target), file);
    return await ownComponent("launcher", {
      description: `the launcher, for ${target}: ffi/launcher.c`,
      bytes: await Deno.readFile(file),
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Compiled of our own sources. */
async function ownComponent(
  name: string,
  { description, bytes }: {
    readonly description: string;
    readonly bytes: Uint8Array<ArrayBuffer>;
  },
): Promise<Component> {
  const component = new Component(Enums.ComponentType.File, name, {
    ...{ version: VERSION, bomRef: name, description },
  });
  license(component, "Apache-2.0");
  component.hashes.set(Enums.HashAlgorithm["SHA-256"], await sumOf(bytes));
  return component;
}

/** @param spdx a name of SPDX's list, or an expression of them */
function license(component: Component, spdx: string): void {
  const simple = /^[\w.+-]+$/.test(spdx);
  component.licenses.add(
    simple ? new Models.SpdxLicense(spdx) : new Models.LicenseExpression(spdx),
  );
}

/** The commit's, so that the same commit gives the same bytes. */
async function commitTime(): Promise<Date | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["show", "--no-patch", "--format=%ct", "HEAD"],
      cwd: ROOT,
      stderr: "null",
    }).output();
    if (!success) return undefined;
    return new Date(Number(new TextDecoder().decode(stdout)) * 1_000);
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  try {
    const { target, output = join(ROOT, ".build/sbom.cdx.json") } =
      parseFileOptions(Deno.args);
    const text = await sbomText(target);
    await Deno.mkdir(dirname(output), { recursive: true });
    await Deno.writeTextFile(output, text);
    const { components } = JSON.parse(text);
    console.log(
      `${relative(Deno.cwd(), output)}: ${components.length} components`,
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}

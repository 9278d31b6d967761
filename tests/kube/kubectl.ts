/**
 * `kubectl` and `helm`, as a person would call them on what is in `deploy/`.
 *
 * @module
 */

import { loadAll } from "js-yaml";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "../lab/exec.ts";
import { tempDir } from "../support/temp_dir.ts";
import type { KubeObject } from "./kube_api.ts";
import { builtTools } from "./tools.ts";

export const KUSTOMIZE = fileURLToPath(
  new URL("../../deploy/kustomize", import.meta.url),
);
export const CHART = fileURLToPath(
  new URL("../../deploy/helm/clusternet", import.meta.url),
);

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param options.kubeconfig a file; without it nothing is reached */
export async function runTool(
  program: "kubectl" | "helm",
  args: readonly string[],
  options: { readonly kubeconfig?: string; readonly stdin?: string } = {},
): Promise<Said> {
  const tools = await builtTools();
  const child = new Deno.Command(tools.path(program), {
    args: [...args],
    env: { KUBECONFIG: options.kubeconfig ?? "/dev/null" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(options.stdin ?? ""));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** @throws {Error} with what it says, where it does not succeed */
export async function mustRunTool(
  ...call: Parameters<typeof runTool>
): Promise<string> {
  const { code, stdout, stderr } = await runTool(...call);
  if (code === 0) return stdout;
  const [program, args] = call;
  throw new Error(`Cannot ${program} ${args.join(" ")}: ${stderr.trim()}`);
}

/** What a kustomization gives. */
export async function kustomized(
  folder: string,
): Promise<readonly KubeObject[]> {
  return objectsOf(await mustRunTool("kubectl", ["kustomize", folder]));
}

export function objectsOf(yaml: string): readonly KubeObject[] {
  return loadAll(yaml).filter((object) => object !== null);
}

export interface OwnKustomization extends AsyncDisposable {
  readonly path: string;
}

/** A kustomization of somebody's own, in a folder beside a copy of ours. */
export async function ownKustomization(
  text: string,
): Promise<OwnKustomization> {
  const { path, ...temporary } = await tempDir();
  await must(["cp", "--recursive", KUSTOMIZE, join(path, "kustomize")]);
  const own = join(path, "own");
  await Deno.mkdir(own);
  await Deno.writeTextFile(join(own, "kustomization.yaml"), text);
  return { ...temporary, path: own };
}

const DUAL_STACK = "clusterCIDRs={10.0.0.0/16,fd00:10::/48}";

/** Kustomization and values that have to give the same. */
export const PAIRS:
  readonly (readonly [folder: string, values: readonly string[]])[] = [
    ["base", []],
    ["overlays/dual-stack", [DUAL_STACK]],
    ["overlays/host-service", ["mode=service"]],
  ];

/** What the chart gives with these values. */
export async function chart(
  values: readonly string[],
  file = CHART,
): Promise<readonly KubeObject[]> {
  return objectsOf(
    await mustRunTool("helm", [
      ...["template", "test", file, "--namespace", "clusternet"],
      ...["namespace.create=true", ...values].flatMap((set) => ["--set", set]),
    ]),
  );
}

/** Without what Helm says of itself; in one order. */
export function normalised(
  objects: readonly KubeObject[],
): readonly KubeObject[] {
  const own =
    /^(helm\.sh\/chart|app\.kubernetes\.io\/(instance|version|managed-by))$/;
  const clean = (value: KubeObject, key = ""): KubeObject => {
    if (Array.isArray(value)) return value.map((each) => clean(each));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => key !== "labels" || !own.test(name))
        .map(([name, each]) => [name, clean(each, name)]),
    );
  };
  const name = ({ kind, metadata }: KubeObject): string =>
    `${kind} ${metadata.name}`;
  return objects.map((object) => clean(object))
    .sort((a, b) => name(a) < name(b) ? -1 : 1);
}

/** Of the DaemonSet. */
export function podOf(objects: readonly KubeObject[]): KubeObject {
  const one = objects.find(({ kind }) => kind === "DaemonSet");
  return one?.spec.template.spec;
}

/** Variables with a value. */
export function environmentOf(
  container: KubeObject,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    container.env.filter(({ value }: KubeObject) => value !== undefined)
      .map(({ name, value }: KubeObject) => [name, value]),
  );
}

/** The expression for the annotation that the policy leaves open. */
export function keyOfPolicy(
  objects: readonly KubeObject[],
): string | undefined {
  const policy = objects.find(({ kind, metadata }) =>
    kind === "ValidatingAdmissionPolicy" &&
    metadata.name === "clusternet-own-node"
  );
  return policy?.spec.variables.find(({ name }: KubeObject) => name === "key")
    ?.expression;
}

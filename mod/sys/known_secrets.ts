/**
 * The secrets that this machine's configuration leads to, so that they can be
 * looked for and taken out of whatever leaves it.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import type { Config } from "../core/config.ts";
import { filesOf } from "./kube_auth.ts";
import { readYaml } from "./yaml_file.ts";

/** Keys of a kubeconfig whose value, or whose file, is one. */
const SECRET_KEYS = new Set([
  ...["token", "password", "client-key-data", "id-token", "refresh-token"],
  ...["access-token", "client-secret", "idp-refresh-token"],
]);
const SECRET_FILES = new Set(["tokenFile", "client-key"]);
const SECRET_NAME = /token|passw|secret|key|credential/i;

/** Texts; what cannot be read is no secret that we could give away. */
export async function knownSecrets(
  config: Pick<Config, "privateKeyFile" | "kubeconfig">,
  env: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const found = [
    await textIfThere(config.privateKeyFile),
    await textIfThere(
      "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ),
    ...Object.entries(env).flatMap(([name, value]) =>
      SECRET_NAME.test(name) && !value.startsWith("/") ? [value] : []
    ),
  ];
  if (config.kubeconfig !== undefined) {
    found.push(...await kubeconfigSecrets(config.kubeconfig));
  }
  return found.filter((text) => text !== "");
}

/** @param list a file, or several with colons between them */
async function kubeconfigSecrets(list: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const file of await filesOf(list)) {
    const content = await readYaml(file, "the kubeconfig")
      .catch(() => undefined);
    for (const [key, value] of strings(content)) {
      if (SECRET_KEYS.has(key)) found.push(value);
      if (SECRET_FILES.has(key)) {
        found.push(await textIfThere(resolve(dirname(file), value)));
      }
    }
  }
  return found;
}

/** Every text in it, with the key that it stands under. */
function* strings(value: unknown, key = ""): Generator<[string, string]> {
  if (typeof value === "string") yield [key, value];
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    yield* strings(inner, Array.isArray(value) ? key : name);
  }
}

async function textIfThere(path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch {
    return "";
  }
}

/**
 * Tokens of ServiceAccounts, and the keys that an API server signs them with.
 *
 * @module
 */

import { join } from "node:path";
import { must } from "../lab/exec.ts";
import type { KeyFiles } from "./credentials.ts";
import type { KubeObject } from "./kube_api.ts";

/** Paths. */
export interface TokenKeys {
  readonly key: string;
  readonly publicKey: string;
  /** The new public key and the one before: tokens of both count. */
  readonly both: string;
}

/** @param folder an empty one */
export async function newTokenKeys(
  folder: string,
  before: KeyFiles,
): Promise<TokenKeys> {
  const [key, publicKey, both] = [
    join(folder, "sa.key"),
    join(folder, "sa.pub"),
    join(folder, "both.pub"),
  ];
  await must(["openssl", "genrsa", "-out", key, "2048"]);
  await must(["openssl", "rsa", "-in", key, "-pubout", "-out", publicKey]);
  const files = [publicKey, before.serviceAccountPublicKey];
  const texts = files.map((file) => Deno.readTextFileSync(file));
  Deno.writeTextFileSync(both, texts.join("\n"));
  return { key, publicKey, both };
}

/** What a token says of itself: RFC 7519, unchecked. */
export function tokenParts(
  token: string,
): { readonly header: KubeObject; readonly claims: KubeObject } {
  const [header, claims] = token.split(".").slice(0, 2).map((part) =>
    JSON.parse(
      new TextDecoder().decode(
        Uint8Array.fromBase64(part, { alphabet: "base64url" }),
      ),
    )
  );
  return { header, claims };
}

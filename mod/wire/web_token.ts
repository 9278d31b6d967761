/**
 * JSON Web Tokens (RFC 7519), as far as a client looks into its own: the server
 * checks the rest.
 *
 * @module
 */

import { property } from "./json.ts";

/** Milliseconds since 1970; `undefined`: it does not say, or it is no such token. */
export function expiryOf(token: string): number | undefined {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token) ?? [];
  if (payload === undefined) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(payload, { alphabet: "base64url" });
    const end = property(JSON.parse(new TextDecoder().decode(bytes)), "exp");
    return typeof end === "number" ? end * 1_000 : undefined;
  } catch {
    return undefined; // no base64, or no JSON
  }
}

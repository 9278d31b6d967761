/**
 * Takes secrets out of text that leaves the machine: those that are known, and
 * whatever looks like one. Too much is taken rather than too little.
 *
 * @module
 */

export const REDACTED = "(redacted)";

/** What a secret looks like; the first group stays. */
const PATTERNS: readonly RegExp[] = [
  /()-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  // JSON Web Tokens, as ServiceAccounts have them.
  /()\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g,
  /(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}/gi,
  /(:\/\/)[^\s/@"']+(?=@)/g,
];

/**
 * A key that says so, and its value: bare, in quotes, or in those of JSON that
 * stands in a text of other JSON (`\"token\": \"x\"`). Quotes stay, and so do
 * JSON's own words: whether there is a secret is none.
 */
const NAMED =
  /((?:token|passw(?:or)?d|secret|private[-_ ]?key|preshared[-_ ]?key|key-data|api[-_]?key|credentials?)\\*["']?\s*[:=]\s*)(?:(\\+")[\s\S]*?(?<!\\)\2|(")(?:[^"\\]|\\.)*"|(')[^']*'|(?!(?:true|false|null)(?![^\s,}\]]))(?:[^\s,"'}\]\\]|\\(?!\\*["']))+)/gi;

/** Known secrets shorter than this are words that stand everywhere. */
const LEAST = 8;

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { redacted } from "./redact.ts";
 *
 * assert.equal(
 *   redacted("https://joe:hunter2@api:6443 uses s3cr3t-known", ["s3cr3t-known"]),
 *   "https://(redacted)@api:6443 uses (redacted)",
 * );
 * ```
 */
export function redacted(text: string, known: readonly string[]): string {
  let clean = text;
  for (const spelling of new Set(known.flatMap((one) => [...spellings(one)]))) {
    clean = clean.replaceAll(spelling, REDACTED);
  }
  for (const pattern of PATTERNS) {
    clean = clean.replaceAll(pattern, `$1${REDACTED}`);
  }
  return clean.replaceAll(NAMED, `$1$2$3$4${REDACTED}$2$3$4`);
}

/** As it is, in base64 and in hex; and what it encodes, if it is base64 itself. */
function* spellings(secret: string): Generator<string> {
  const text = secret.trim();
  if (text.length < LEAST) return;
  yield text;
  const bytes = new TextEncoder().encode(text);
  yield bytes.toBase64().replace(/=+$/, "");
  yield bytes.toHex();
  if (!/^[A-Za-z0-9+/]{8,}={0,2}$/.test(text) || text.length % 4 !== 0) return;
  const inner = Uint8Array.fromBase64(text);
  yield inner.toHex();
  const decoded = new TextDecoder().decode(inner);
  if (decoded.length >= LEAST) yield decoded;
}

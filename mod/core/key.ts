/**
 * WireGuard keys: X25519 points and scalars of 32 bytes, as base64.
 *
 * A private key cannot be printed by accident: every route to text gives a
 * placeholder, and `expose()` is the one that is easy to grep for.
 *
 * @module
 */

/** 44 characters of canonical base64 (RFC 4648, section 4). */
export type PublicKey = string & { readonly __brand: "PublicKey" };

const CANONICAL = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/**
 * Points of small order on Curve25519 and their non-canonical spellings: with
 * one of these as a peer's key the shared secret is known to everybody
 * (RFC 7748, section 6.1; the list is that of cr.yp.to/ecdh.html).
 */
const LOW_ORDER: ReadonlySet<string> = new Set([
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
  "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
  "7P///////////////////////////////////////38=",
  "7f///////////////////////////////////////38=",
  "7v///////////////////////////////////////38=",
]);

/**
 * @throws {SyntaxError} when the text is not the one spelling of 32 bytes, or
 * names a point that no honest node can have
 */
export function parsePublicKey(text: string): PublicKey {
  if (!CANONICAL.test(text)) {
    throw new SyntaxError(
      "Cannot parse public key: not 44 characters of base64",
    );
  }
  // The top bit is ignored on the curve (RFC 7748, section 5): clear it to compare.
  const bytes = decodeBase64(text);
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  if (LOW_ORDER.has(encodeBase64(bytes))) {
    throw new SyntaxError("Cannot use public key: a point of low order");
  }
  return text as PublicKey;
}

/** @throws {SyntaxError} unless 32 bytes were given */
export function publicKeyFromBytes(bytes: Uint8Array): PublicKey {
  if (bytes.length !== 32) {
    throw new SyntaxError(`Cannot read public key: ${bytes.length} bytes`);
  }
  return encodeBase64(bytes) as PublicKey;
}

export function publicKeyBytes(key: PublicKey): Uint8Array {
  return decodeBase64(key);
}

const REDACTED = "PrivateKey(redacted)";

/** A private key that prints as a placeholder. */
export class PrivateKey {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * Clamps as RFC 7748, section 5 says, and as `wg genkey` writes it.
   *
   * @param bytes 32 bytes from the kernel's random source
   * @throws {SyntaxError} unless 32 bytes were given
   */
  static fromBytes(bytes: Uint8Array): PrivateKey {
    if (bytes.length !== 32) {
      throw new SyntaxError(`Cannot read private key: ${bytes.length} bytes`);
    }
    const own = bytes.slice();
    own[0] = (own[0] ?? 0) & 248;
    own[31] = ((own[31] ?? 0) & 127) | 64;
    return new PrivateKey(own);
  }

  /** @throws {SyntaxError} when the text is not 44 characters of base64; the text is not repeated */
  static parse(text: string): PrivateKey {
    if (!CANONICAL.test(text)) {
      throw new SyntaxError(
        "Cannot parse private key: not 44 characters of base64",
      );
    }
    const bytes = decodeBase64(text);
    if (bytes.every((byte) => byte === 0)) {
      throw new SyntaxError("Cannot use private key: all zero");
    }
    return PrivateKey.fromBytes(bytes);
  }

  /** The 32 bytes themselves. Only for the kernel, the file and the derivation. */
  expose(): Uint8Array {
    return this.#bytes.slice();
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return REDACTED;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}

/** PKCS #8 header of an X25519 private key (RFC 8410, section 7). */
const PKCS8_X25519 = Uint8Array.of(
  0x30,
  0x2e,
  0x02,
  0x01,
  0x00,
  0x30,
  0x05,
  0x06,
  0x03,
  0x2b,
  0x65,
  0x6e,
  0x04,
  0x22,
  0x04,
  0x20,
);

/**
 * The public key that belongs to a private one, by the runtime's own X25519
 * (W3C Web Cryptography): it costs no memory, where a library in JavaScript
 * costs each node some 20 MB.
 */
export async function derivePublicKey(key: PrivateKey): Promise<PublicKey> {
  const secret = key.expose();
  const pkcs8 = new Uint8Array([...PKCS8_X25519, ...secret]);
  const handle = await crypto.subtle.importKey(
    "pkcs8",
    pkcs8,
    { name: "X25519" },
    true,
    ["deriveBits"],
  );
  const jwk = await crypto.subtle.exportKey("jwk", handle);
  secret.fill(0);
  pkcs8.fill(0);
  return publicKeyFromBytes(
    decodeBase64((jwk.x ?? "").replaceAll("-", "+").replaceAll("_", "/")),
  );
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(text);
}

function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/**
 * IP addresses and prefixes as canonical text, so that equality is `===`.
 *
 * Text from outside is parsed once, strictly (what `node:net` takes, but no zone
 * identifiers and no IPv4-mapped IPv6); inside, only the branded types travel.
 * A test holds it to `node:net`, which itself would cost each node 7 MB.
 *
 * @module
 */

/** An IPv4 or IPv6 address in canonical text (IPv6 as RFC 5952 spells it). */
export type Address = string & { readonly __brand: "Address" };

/** `address/bits` with all host bits zero, canonical. */
export type Prefix = string & { readonly __brand: "Prefix" };

/** `address/bits` as a link has it, host bits and all. A Prefix is one, too. */
export type LinkAddress = string & {
  readonly __brand: "Prefix" | "LinkAddress";
};

export type Family = 4 | 6;

/** Bits in an address of this family: 32 or 128. */
export function familyBits(family: Family): number {
  return family === 4 ? 32 : 128;
}

const BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const IPV4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);

/** All that IPv6 is made of: between brackets, a URL takes nothing else but IPv6. */
const IPV6_LETTERS = /^[0-9a-fA-F:.]{2,45}$/;

/**
 * Parse one address.
 *
 * @throws {SyntaxError} when the text is no plain IPv4 or IPv6 address
 */
export function parseAddress(text: string): Address {
  if (IPV4.test(text)) return text as Address;
  const url = IPV6_LETTERS.test(text) ? URL.parse(`http://[${text}]`) : null;
  if (url === null) throw new SyntaxError(`Cannot parse address "${text}"`);
  const canonical = url.hostname.slice(1, -1);
  if (canonical.startsWith("::ffff:")) {
    throw new SyntaxError(
      `Cannot parse address "${text}": IPv4-mapped; write it as IPv4`,
    );
  }
  return canonical as Address;
}

/**
 * Parse `address/bits`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { parsePrefix } from "./address.ts";
 *
 * assert.equal(parsePrefix("10.0.1.7/24"), "10.0.1.0/24");
 * assert.equal(parsePrefix("FD00:0:0:1::/64"), "fd00:0:0:1::/64");
 * ```
 *
 * Host bits are masked off (RFC 4632, section 3.1), as
 * the kernel does with AllowedIPs.
 *
 * @throws {SyntaxError} when the text is no address, `/` and a length
 */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf("/");
  const lengthText = text.slice(slash + 1);
  if (slash < 0 || !/^(0|[1-9][0-9]{0,2})$/.test(lengthText)) {
    throw new SyntaxError(
      `Cannot parse prefix "${text}": write it as ADDRESS/LENGTH, like 10.0.0.0/16`,
    );
  }
  const address = parseAddress(text.slice(0, slash));
  const bits = Number(lengthText);
  if (bits > familyBits(familyOf(address))) {
    throw new SyntaxError(`Cannot parse prefix "${text}": length ${bits}`);
  }
  return makePrefix(addressBytes(address), bits);
}

/** The family of an address or prefix. */
export function familyOf(value: Address | LinkAddress): Family {
  return value.includes(":") ? 6 : 4;
}

/** The length of a prefix in bits. */
export function prefixBits(prefix: LinkAddress): number {
  return Number(prefix.slice(prefix.indexOf("/") + 1));
}

/** The address before the slash: the network address of a prefix. */
export function prefixAddress(prefix: LinkAddress): Address {
  return prefix.slice(0, prefix.indexOf("/")) as Address;
}

/** Network byte order: 4 or 16 bytes. */
export function addressBytes(address: Address): Uint8Array {
  return familyOf(address) === 4 ? bytesOf4(address) : bytesOf6(address);
}

/**
 * @param bytes 4 or 16 bytes, network order
 * @throws {SyntaxError} for any other length
 */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length === 4) return bytes.join(".") as Address;
  if (bytes.length !== 16) {
    throw new SyntaxError(`Cannot read address: ${bytes.length} bytes`);
  }
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  }
  return compress(groups) as Address;
}

/** The prefix of `bits` bits that holds these address bytes. */
export function makePrefix(bytes: Uint8Array, bits: number): Prefix {
  const masked = Uint8Array.from(bytes, (byte, index) => {
    const keep = Math.min(8, Math.max(0, bits - index * 8));
    return byte & (0xff << (8 - keep));
  });
  return `${addressFromBytes(masked)}/${bits}` as Prefix;
}

/** `address/32` or `address/128`. */
export function hostPrefix(address: Address): Prefix {
  return `${address}/${familyBits(familyOf(address))}` as Prefix;
}

/**
 * Network address + 1: by our convention the gateway of a podCIDR.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { firstAddress, parsePrefix } from "./address.ts";
 *
 * assert.equal(firstAddress(parsePrefix("10.0.1.0/24")), "10.0.1.1");
 * ```
 */
export function firstAddress(prefix: Prefix): Address {
  const bytes = addressBytes(prefixAddress(prefix));
  for (let at = bytes.length - 1; at >= 0; at--) {
    const next = ((bytes[at] ?? 0) + 1) & 0xff;
    bytes[at] = next;
    if (next !== 0) break;
  }
  return addressFromBytes(bytes);
}

/** Is `inner` (an address or prefix) wholly inside `outer`? Equal counts. */
export function contains(outer: Prefix, inner: Prefix | Address): boolean {
  const family = familyOf(outer);
  if (family !== familyOf(inner)) return false;
  const slash = inner.indexOf("/");
  const innerBits = slash < 0
    ? familyBits(family)
    : Number(inner.slice(slash + 1));
  const bits = prefixBits(outer);
  if (innerBits < bits) return false;
  const a = addressBytes(prefixAddress(outer));
  const b = addressBytes(
    (slash < 0 ? inner : inner.slice(0, slash)) as Address,
  );
  return sameBits(a, b, bits);
}

/** Do two prefixes share an address? */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return contains(a, b) || contains(b, a);
}

/** `address:port`, or `[address]:port` for IPv6 (RFC 3986, section 3.2.2). */
export function endpointText(address: Address, port: number): string {
  return familyOf(address) === 4
    ? `${address}:${port}`
    : `[${address}]:${port}`;
}

/** Are the first `bits` bits the same? */
function sameBits(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let at = 0; at < whole; at++) if (a[at] !== b[at]) return false;
  const shift = 8 - (bits & 7);
  return shift === 8 ||
    ((a[whole] ?? 0) >> shift) === ((b[whole] ?? 0) >> shift);
}

/** By hand: this is asked some ten times for each Node. */
function bytesOf4(address: string): Uint8Array {
  const bytes = new Uint8Array(4);
  let at = 0;
  for (let index = 0; index < address.length; index++) {
    const digit = address.charCodeAt(index) - 48;
    if (digit < 0) at++; // "."
    else bytes[at] = (bytes[at] ?? 0) * 10 + digit;
  }
  return bytes;
}

function bytesOf6(address: string): Uint8Array {
  const [head = "", tail] = address.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const all = [
    ...first,
    ...new Array<number>(8 - first.length - last.length).fill(0),
    ...last,
  ];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

/** RFC 5952, section 4.2: the longest run of two or more zero groups, the first of equals. */
function compress(groups: readonly string[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
    at += length;
  }
  if (best.at < 0) return groups.join(":");
  const head = groups.slice(0, best.at).join(":");
  const tail = groups.slice(best.at + best.length).join(":");
  return `${head}::${tail}`;
}

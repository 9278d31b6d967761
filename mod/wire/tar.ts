/**
 * A tar archive (POSIX.1-1988, ustar): for each file a header of 512 bytes and
 * its bytes, padded to 512; two blocks of zeros at the end. A name that the
 * header has no room for stands before it, in an extended one (POSIX.1-2001, pax).
 *
 * @module
 */

const BLOCK = 512;

/** Of the header's fields `name` and `prefix`. */
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/** Bytes of what 11 octal digits can say. */
const MOST = 8 ** 11 - 1;

export interface TarFile {
  readonly name: string;
  readonly data: Uint8Array;
  /** Seconds since 1970. */
  readonly mtimeSeconds: number;
}

/** Header, contents and padding; for root alone. */
export function tarEntry(file: TarFile): Uint8Array<ArrayBuffer> {
  const { data, mtimeSeconds, name } = file;
  if (name === "" || name.endsWith("/") || name.includes("\0")) {
    throw new SyntaxError(`Cannot put ${JSON.stringify(name)} into a tar`);
  }
  if (
    !Number.isInteger(mtimeSeconds) || mtimeSeconds < 0 || mtimeSeconds > MOST
  ) {
    throw new RangeError(
      `Cannot put ${name} into a tar: ${mtimeSeconds} s is no time that it can have`,
    );
  }
  const bytes = new TextEncoder().encode(name);
  const split = splitName(bytes);
  const meta = { mtimeSeconds, data };
  if (split !== undefined) return block({ ...meta, ...split, type: "0" });
  const none = new Uint8Array();
  const extended = block({
    mtimeSeconds,
    name: new TextEncoder().encode("pax"),
    prefix: none,
    data: paxRecord("path", bytes),
    type: "x",
  });
  const short = { name: bytes.subarray(0, NAME_BYTES), prefix: none };
  return joined([extended, block({ ...meta, ...short, type: "0" })]);
}

export function tarEnd(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(2 * BLOCK);
}

interface Split {
  readonly name: Uint8Array;
  readonly prefix: Uint8Array;
}

/** At a slash, which neither of the two holds. `undefined`: there is no such. */
function splitName(bytes: Uint8Array): Split | undefined {
  if (bytes.length <= NAME_BYTES) {
    return { name: bytes, prefix: new Uint8Array() };
  }
  const at = bytes.subarray(0, PREFIX_BYTES + 1).lastIndexOf(SLASH);
  const name = bytes.subarray(at + 1);
  if (at < 1 || name.length === 0 || name.length > NAME_BYTES) return undefined;
  return { name, prefix: bytes.subarray(0, at) };
}

const SLASH = 0x2f;

interface Block extends Split {
  readonly data: Uint8Array;
  readonly mtimeSeconds: number;
  /** A file, or what is said of the next one. */
  readonly type: "0" | "x";
}

function block(
  { data, mtimeSeconds, name, prefix, type }: Block,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(BLOCK + Math.ceil(data.length / BLOCK) * BLOCK);
  const put = (at: number, text: string): void =>
    out.set(new TextEncoder().encode(text), at);
  out.set(name, 0);
  put(100, "0000600\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${octal(data.length, 11)}\0`);
  put(136, `${octal(mtimeSeconds, 11)}\0`);
  put(148, "        ");
  put(156, type);
  put(257, "ustar\x0000");
  out.set(prefix, 345);
  const sum = out.subarray(0, BLOCK).reduce((all, byte) => all + byte, 0);
  put(148, `${octal(sum, 6)}\0 `);
  out.set(data, BLOCK);
  return out;
}

/** "30 path=…\n": the figure counts itself. */
function paxRecord(key: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder();
  const rest = joined([text.encode(` ${key}=`), value, text.encode("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return joined([text.encode(String(length)), rest]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(
    parts.reduce((all, { length }) => all + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

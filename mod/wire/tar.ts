/**
 * A tar archive (POSIX.1-1988, ustar): for each file a header of 512 bytes and
 * its bytes, padded to 512; two blocks of zeros at the end.
 *
 * @module
 */

const BLOCK = 512;
const NAME_BYTES = 100;

export interface TarFile {
  /** At most 100 bytes. */
  readonly name: string;
  readonly data: Uint8Array;
  /** Seconds since 1970. */
  readonly mtimeSeconds: number;
}

/** Header, contents and padding; for root alone. */
export function tarEntry(file: TarFile): Uint8Array<ArrayBuffer> {
  const { data, mtimeSeconds, name } = file;
  const whole = Math.ceil(data.length / BLOCK) * BLOCK;
  const out = new Uint8Array(BLOCK + whole);
  const put = (at: number, text: string): void =>
    out.set(new TextEncoder().encode(text), at);
  if (new TextEncoder().encode(name).length > NAME_BYTES) {
    throw new SyntaxError(
      `Cannot put ${name} into a tar: the name is too long`,
    );
  }
  put(0, name);
  put(100, "0000600\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${octal(data.length, 11)}\0`);
  put(136, `${octal(mtimeSeconds, 11)}\0`);
  put(148, "        ");
  put(156, "0");
  put(257, "ustar\x0000");
  const sum = out.subarray(0, BLOCK).reduce((all, byte) => all + byte, 0);
  put(148, `${octal(sum, 6)}\0 `);
  out.set(data, BLOCK);
  return out;
}

export function tarEnd(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(2 * BLOCK);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

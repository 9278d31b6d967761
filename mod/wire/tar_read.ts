/**
 * Reads a tar archive that somebody else has made, entry by entry, and believes
 * nothing: regular files alone (POSIX.1-1988, ustar, and the `path` of pax), with
 * names that stay below the folder they are unpacked in, each once, within
 * bounds. Whatever else there is makes it no archive of ours.
 *
 * @module
 */

import type { TarFile } from "./tar.ts";

const BLOCK = 512;

/** Bytes of a name: longer ones no file system takes (PATH_MAX). */
const NAME_BYTES = 4096;

export interface TarLimits {
  readonly entries: number;
  /** Of one file. */
  readonly fileBytes: number;
  /** Of all, headers and padding included. */
  readonly totalBytes: number;
}

/**
 * Holds one file at a time. The end has to be there, with nothing but zeros
 * after it.
 *
 * @throws {SyntaxError} why it is none, as the end of a sentence
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  limits: TarLimits,
): AsyncGenerator<TarFile> {
  const input = new Input(chunks, limits.totalBytes);
  const seen = new Set<string>();
  let extended: { readonly path: string | undefined } | undefined;
  for (;;) {
    const header = await input.take(BLOCK);
    if (isZero(header)) return await theEnd(input);
    const { mtimeSeconds, name: short, size, type } = parseHeader(header);
    const most = type === "x" ? 2 * NAME_BYTES : limits.fileBytes;
    if (size > most) {
      throw new SyntaxError(`a file of it is ${size} bytes long`);
    }
    const padded = await input.take(Math.ceil(size / BLOCK) * BLOCK);
    const data = padded.subarray(0, size);
    if (type === "x") {
      if (extended !== undefined) {
        throw new SyntaxError("it names a file twice");
      }
      extended = { path: paxPath(data) };
      continue;
    }
    const name = extended?.path ?? short;
    extended = undefined;
    refuseUnsafe(name);
    if (seen.has(name)) {
      throw new SyntaxError(`it holds ${JSON.stringify(name)} twice`);
    }
    seen.add(name);
    if (seen.size > limits.entries) {
      throw new SyntaxError(`it holds more than ${limits.entries} files`);
    }
    yield { name, data, mtimeSeconds };
  }
}

/** Bytes as they are asked for, however they come. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  #left: number;

  constructor(chunks: AsyncIterable<Uint8Array>, most: number) {
    this.#source = chunks[Symbol.asyncIterator]();
    this.#left = most;
  }

  async take(length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const piece = await this.some();
      if (piece === undefined) throw new SyntaxError("it is cut short");
      const part = piece.subarray(0, length - at);
      out.set(part, at);
      at += part.length;
      this.#rest = piece.subarray(part.length);
    }
    return out;
  }

  /** What comes next, to be looked at; `undefined`: nothing any more. */
  async some(): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done === true) return undefined;
      this.#left -= value.length;
      if (this.#left < 0) throw new SyntaxError("it is too large");
      this.#rest = value;
    }
    return this.#rest;
  }

  /** Forgets what `some()` has shown. */
  skip(): void {
    this.#rest = new Uint8Array();
  }
}

async function theEnd(input: Input): Promise<void> {
  if (!isZero(await input.take(BLOCK))) {
    throw new SyntaxError("it has a header where its end should be");
  }
  for (let rest = await input.some(); rest; rest = await input.some()) {
    if (!isZero(rest)) throw new SyntaxError("something follows its end");
    input.skip();
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly mtimeSeconds: number;
  /** "0": a file; "x": what is said of the next one. */
  readonly type: "0" | "x";
}

function parseHeader(header: Uint8Array): Header {
  if (asciiAt(header, 257, 8) !== "ustar\x0000") {
    throw new SyntaxError("it is no tar archive");
  }
  let sum = 0;
  for (const [at, byte] of header.entries()) {
    sum += at >= 148 && at < 156 ? 0x20 : byte;
  }
  if (octalAt(header, 148, 8) !== sum) {
    throw new SyntaxError("it is damaged: a header's sum is wrong");
  }
  // A zero is what older archives have for a file.
  const type = String.fromCharCode(header[156] || 0x30);
  if (type !== "0" && type !== "x") {
    throw new SyntaxError("it holds something else than files");
  }
  const name = stringAt(header, 0, 100);
  const prefix = stringAt(header, 345, 155);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    size: octalAt(header, 124, 12),
    mtimeSeconds: octalAt(header, 136, 12),
    type,
  };
}

/** Up to the first zero. */
function stringAt(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return utf8(end < 0 ? field : field.subarray(0, end));
}

function octalAt(bytes: Uint8Array, at: number, length: number): number {
  const [, digits] = /^ *([0-7]{1,11})[ \0]*$/.exec(
    asciiAt(bytes, at, length),
  ) ?? [];
  if (digits === undefined) {
    throw new SyntaxError("it is damaged: a header holds no number");
  }
  return Number.parseInt(digits, 8);
}

/** A letter a byte, zeros too. */
function asciiAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

/** Of the records "LENGTH KEY=VALUE\n", the length of which counts itself. */
function paxPath(data: Uint8Array): string | undefined {
  let path: string | undefined;
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(0x20, at);
    const length = Number(utf8(data.subarray(at, Math.max(at, space))));
    const end = at + length;
    if (!(length > 0) || end > data.length || data[end - 1] !== 0x0a) {
      throw new SyntaxError("it is damaged: a name does not end");
    }
    const record = utf8(data.subarray(space + 1, end - 1));
    const [key = ""] = record.split("=");
    if (key === "path") path = record.slice("path=".length);
    // What the header says of them would not be so.
    if (key === "size" || key.startsWith("GNU.sparse")) {
      throw new SyntaxError(`it holds a file with ${JSON.stringify(key)}`);
    }
    at = end;
  }
  return path;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    throw new SyntaxError("it holds a name that is no text");
  }
}

/** Below where it is unpacked, and nothing that a terminal or another system takes for more than a name. */
function refuseUnsafe(name: string): void {
  const unsafe = name.length > NAME_BYTES ||
    // deno-lint-ignore no-control-regex
    /[\u0000-\u001f\u007f-\u009f\\:]/.test(name) ||
    name.split("/").some((part) =>
      part === "" || part === "." || part === ".."
    );
  if (!unsafe) return;
  const shown = JSON.stringify(name.slice(0, 100));
  throw new SyntaxError(`it holds a file of the name ${shown}`);
}

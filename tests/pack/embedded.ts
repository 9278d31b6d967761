/**
 * What `deno compile` put into an executable: metadata and files, in an ELF note
 * behind the runtime.
 *
 * ```
 * "d3n0l4nd" twice | u64 length, JSON metadata | … |
 * u64 length, JSON of one folder | u64 length, bytes of the files | …
 * ```
 * As Deno 2.9.6 writes it; all numbers little-endian.
 *
 * @module
 */

const MAGIC = new TextEncoder().encode("d3n0l4ndd3n0l4nd");
const FOLDER = new TextEncoder().encode('[{"File":');

export interface Metadata {
  /** Lists by name: `allow_env` …; `[]`: anything; `null`: nothing. */
  readonly permissions: Readonly<
    Record<string, readonly string[] | boolean | null>
  >;
  readonly v8_flags: readonly string[];
  readonly entrypoint_key: string;
}

export interface Embedded {
  readonly metadata: Metadata;
  /** Texts by name. */
  readonly files: ReadonlyMap<string, string>;
}

/** @throws {Error} where it is no such executable */
export async function readEmbedded(path: string): Promise<Embedded> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  const piece = (at: number): Uint8Array => {
    const length = Number(view.getBigUint64(at, true));
    return bytes.subarray(at + 8, at + 8 + length);
  };
  // The runtime has the first half of it among its constants.
  const at = indexOf(bytes, MAGIC, 0) + MAGIC.length;
  const metadata = piece(at);
  const folder = indexOf(bytes, FOLDER, at + 8 + metadata.length) - 8;
  const content = piece(folder + 8 + piece(folder).length);
  const text = new TextDecoder();
  const entries: readonly {
    readonly File: {
      readonly n: string;
      readonly o: readonly [number, number];
    };
  }[] = JSON.parse(text.decode(piece(folder)));
  return {
    metadata: JSON.parse(text.decode(metadata)),
    files: new Map(entries.map(({ File: { n: name, o: [from, length] } }) => [
      name,
      text.decode(content.subarray(from, from + length)),
    ])),
  };
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  const [first = 0] = wanted;
  let at = bytes.indexOf(first, from);
  while (at >= 0) {
    if (wanted.every((byte, offset) => bytes[at + offset] === byte)) return at;
    at = bytes.indexOf(first, at + 1);
  }
  throw new Error("Cannot read the executable: nothing is embedded in it");
}

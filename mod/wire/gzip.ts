/**
 * Texts packed by gzip (RFC 1952), as far as one fits into memory.
 *
 * @module
 */

/** Begins each member: ID1 and ID2 of RFC 1952, section 2.3.1. */
const MAGIC = [0x1f, 0x8b] as const;

export async function gzipped(
  text: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([text]).stream().pipeThrough(
    new CompressionStream("gzip"),
  );
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

export function isGzip([first, second]: Uint8Array): boolean {
  return first === MAGIC[0] && second === MAGIC[1];
}

/**
 * @param limit bytes of the text: a few packed ones may be very many
 * @throws {SyntaxError} it is larger, damaged or cut off
 */
export async function gunzipped(
  packed: Uint8Array<ArrayBuffer>,
  limit: number,
): Promise<string> {
  const unpacked = ReadableStream.from([packed]).pipeThrough(
    new DecompressionStream("gzip"),
  );
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  try {
    for await (const bytes of unpacked) {
      length += bytes.length;
      if (length > limit) {
        throw new SyntaxError(`its answer is of more than ${limit} bytes`);
      }
      text += decoder.decode(bytes, { stream: true });
    }
  } catch (cause) {
    if (cause instanceof SyntaxError) throw cause;
    throw new SyntaxError("its answer is damaged, or cut off", { cause });
  }
  return text + decoder.decode();
}

/**
 * Bytes as rows of hex, for people who debug.
 *
 * @module
 */

/** Sixteen bytes a row, in groups of four, each row with its offset. */
export function hexRows(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Array.from(
      bytes.subarray(at, at + 16),
      (byte, n) => (n > 0 && n % 4 === 0 ? " " : "") + hexByte(byte),
    );
    rows.push(`${at.toString(16).padStart(4, "0")}  ${row.join("")}`);
  }
  return rows.join("\n");
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/**
 * Entries of a directory: struct linux_dirent64 (include/linux/dirent.h), one
 * after the other.
 *
 *      0               8               16      18      19       length
 *     ┌───────────────┬───────────────┬───────┬───────┬─────────┐
 *     │ inode         │ offset        │ length│ type  │ name, 0 │
 *     └───────────────┴───────────────┴───────┴───────┴─────────┘
 *
 * @module
 */

import { viewOf } from "./netlink.ts";

const NAME_AT = 19;

/**
 * Names, without "." and "..".
 *
 * @throws {SyntaxError} when a length does not fit
 */
export function decodeEntries(bytes: Uint8Array): readonly string[] {
  const view = viewOf(bytes);
  const text = new TextDecoder();
  const names: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const left = bytes.length - at;
    const length = left < NAME_AT ? 0 : view.getUint16(at + 16, true);
    const end = bytes.indexOf(0, at + NAME_AT);
    if (length <= NAME_AT || length > left || end < 0 || end >= at + length) {
      throw new SyntaxError(
        `Cannot decode directory: length ${length} at byte ${at}, ${left} bytes left`,
      );
    }
    const name = text.decode(bytes.subarray(at + NAME_AT, end));
    if (name !== "." && name !== "..") names.push(name);
    at += length;
  }
  return names;
}

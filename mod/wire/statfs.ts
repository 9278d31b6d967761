/**
 * A file system as struct statfs has it, of machines with 64 bits
 * (include/uapi/asm-generic/statfs.h): words of 8 bytes.
 *
 *      0      1            2      3     4          5      6       …  10
 *     ┌──────┬────────────┬──────┬─────┬──────────┬──────┬───────┬──┬───────┐
 *     │ type │ block size │ all  │ free│ available│ files│ free  │  │ flags │
 *     └──────┴────────────┴──────┴─────┴──────────┴──────┴───────┴──┴───────┘
 *
 * @module
 */

import { need, viewOf } from "./netlink.ts";

const STATFS_BYTES = 120;

/** include/linux/statfs.h */
const ST_RDONLY = 1;

export interface FileSystem {
  /** Of the place that was asked for: one of a bind mount may be another's. */
  readonly readOnly: boolean;
  /** Bytes, for who is not root. */
  readonly available: number;
  /** `undefined`: it does not count files. */
  readonly freeFiles: number | undefined;
}

/** @throws {SyntaxError} when it is cut short */
export function decodeStatfs(bytes: Uint8Array): FileSystem {
  need(bytes, STATFS_BYTES, "file system");
  const view = viewOf(bytes);
  const word = (index: number): number =>
    Number(view.getBigUint64(index * 8, true));
  return {
    readOnly: (word(10) & ST_RDONLY) !== 0,
    available: word(4) * word(1),
    freeFiles: word(5) === 0 ? undefined : word(6),
  };
}

/**
 * Whether somebody still reads what this process writes into a pipe. A write
 * would say so, but there may be nothing to write for hours; poll(2) says it of
 * the writing end the moment the last reader is gone (POLLERR), unasked.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { loadShim, S_IFIFO, S_IFMT, type Shim } from "./shim.ts";

/**
 * Lets that time pass, or less where standard output is a pipe that nobody reads
 * any more. Elsewhere, or without the shim, it is no more than a sleep.
 *
 * @returns `false`: nobody reads any more
 */
export async function sleepWhileRead(
  milliseconds: number,
  clock: Clock,
): Promise<boolean> {
  const shim = await loadShim().catch(() => undefined);
  if (shim === undefined || !isPipe(shim)) {
    await clock.sleep(milliseconds);
    return true;
  }
  const { ready } = await shim.wait(shim.standardOutput, { milliseconds });
  return !ready;
}

function isPipe(shim: Shim): boolean {
  return (shim.stat(shim.standardOutput).mode & S_IFMT) === S_IFIFO;
}

/**
 * `clusternet status --wait`: looks again until all stands, and tells what is
 * waited for, one line a change.
 *
 * @module
 */

import { FatalError } from "../core/errors.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { durationText } from "../view/units.ts";

/** Milliseconds between two looks. */
const LOOK_MS = 1_000;

/**
 * The first look is a whole one, however little time there is: without it there
 * would be nothing to say. What lasts, as the view of a large cluster does, is
 * done no more than half of the time.
 *
 * @param look the end of a sentence, what is missing; `undefined`: nothing is.
 *   The signal says that the time is over.
 * @throws {FatalError} what was missing when the time was over
 */
export async function waitUntilNothing(
  waitMs: number,
  look: (signal: AbortSignal) => Promise<string | undefined>,
): Promise<void> {
  const end = clock.now() + waitMs;
  const over = AbortSignal.timeout(waitMs);
  let signal = new AbortController().signal;
  let said = "";
  for (;;) {
    const began = clock.now();
    const what = await look(signal).catch((error) => {
      if (!signal.aborted) throw error;
      return said;
    });
    if (what === undefined) return;
    const now = clock.now();
    if (now >= end) {
      throw new FatalError(
        `Not all stands after ${durationText(waitMs / 1_000)}: ${what}`,
        1,
      );
    }
    if (what !== said) console.error(`waiting: ${what}`);
    said = what;
    signal = over;
    await clock.sleep(Math.min(Math.max(LOOK_MS, now - began), end - now));
  }
}

/**
 * Real time, but faster: for tests that need real sockets and long deadlines.
 *
 * @module
 */

import type { Clock } from "../../mod/core/clock.ts";
import { systemClock } from "../../mod/sys/clock.ts";

/** A clock on which `factor` seconds pass in one. */
export function scaledClock(factor: number): Clock {
  return {
    now: () => systemClock.now() * factor,
    sleep: (milliseconds, signal) =>
      systemClock.sleep(milliseconds / factor, signal),
    random: () => systemClock.random(),
  };
}

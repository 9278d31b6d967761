/**
 * The clock of `mod/sys/clock.ts`, ten times as fast: for an agent that looks at
 * something each minute, in a test that has none. `quickened()` puts it in the
 * place of the real one for a single module.
 *
 * @module
 */

import { systemClock as clock } from "../../mod/sys/clock.ts";

/** Real seconds are so many of its own. */
export const PACE = 10;

export const systemClock: typeof clock = {
  now: () => clock.now() * PACE,
  random: () => clock.random(),
  sleep: (milliseconds, signal) => clock.sleep(milliseconds / PACE, signal),
};

/** An import map, as JSON, by which that module, and none else, has this clock. @param module "mod/…" */
export function quickened(module: string): string {
  const at = (path: string): string =>
    new URL(`../../${path}`, import.meta.url).href;
  const { imports } = JSON.parse(
    Deno.readTextFileSync(new URL(at("deno.json"))),
  );
  return JSON.stringify({
    imports,
    scopes: { [at(module)]: { [at("mod/sys/clock.ts")]: import.meta.url } },
  });
}

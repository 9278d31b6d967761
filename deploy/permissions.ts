/**
 * What the agent's process is allowed and how V8 is set, in one place: the lab,
 * `deno task compile` and `deno task build` all take it from here; the README and
 * the units are held to it by tests.
 *
 * @module
 */

/**
 * Bare where an option may name any path or server, narrow elsewhere. What lies
 * below /proc and /sys goes through the shim.
 */
export const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-env",
  "--allow-sys=hostname,uid",
  "--allow-ffi",
];

/**
 * V8 would let garbage pile up to three times the memory that is in use, for a
 * speed that the agent has no need of.
 */
export const V8_FLAGS =
  "--v8-flags=--max-semi-space-size=1,--optimize-for-size";

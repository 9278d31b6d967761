/**
 * The version, in one place that needs no file at run time; a test holds it
 * equal to `deno.json`'s.
 *
 * @module
 */

export const VERSION = "0.1.0";

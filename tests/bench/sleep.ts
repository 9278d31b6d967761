/**
 * What the agent is measured against: a Deno process that imports nothing and
 * waits.
 *
 * @module
 */

console.log("listed");
await new Promise((resolve) => setTimeout(resolve, 600_000));

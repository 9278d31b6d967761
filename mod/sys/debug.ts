/**
 * `CLUSTERNET_DEBUG`: a list, by commas, of what is to be made visible or simple
 * for a person who looks into something. Nothing else depends on it.
 *
 * - `netlink`: every netlink message as hex, keys left out
 * - `json`: Nodes as JSON instead of protobuf, so that a capture can be read
 *
 * @module
 */

export type Debug = "netlink" | "json";

/** Is it asked for? Not where the variable may not be read. */
export function debugs(what: Debug): boolean {
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: "CLUSTERNET_DEBUG",
  });
  return state === "granted" &&
    (Deno.env.get("CLUSTERNET_DEBUG") ?? "").split(",").includes(what);
}

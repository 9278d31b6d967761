/**
 * Somebody else's CNI configuration, as far as it says whose it is: a list of
 * plugins or a single one (CNI specification 1.0, section 1).
 *
 * @module
 */

import type { CniNetwork } from "../core/cni_check.ts";
import { listOf, property } from "./json.ts";

/** github.com/k8snetworkplumbingwg/multus-cni: the plugin, and the shim of its daemon. */
const DELEGATING = /^multus(-shim)?$/;

const NAME_LIMIT = 64;
const PLUGINS_LIMIT = 8;

/** @returns `undefined`: no runtime could use it */
export function networkOf(text: string): CniNetwork | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const plugins = listOf(property(value, "plugins"));
  const all = plugins.length > 0 ? plugins : [value];
  const types = all.map((each) => property(each, "type"))
    .filter((type) => typeof type === "string" && type !== "")
    .map((type) => shown(String(type)));
  if (types.length === 0) return undefined;
  const name = property(value, "name");
  return {
    name: typeof name === "string" ? shown(name) : "",
    plugins: types.slice(0, PLUGINS_LIMIT),
    delegates: types.some((type) => DELEGATING.test(type)) ||
      all.some((each) => property(each, "delegates") !== undefined),
  };
}

/** Without what would break a line. */
function shown(text: string): string {
  return text.slice(0, NAME_LIMIT).replaceAll(/[^ -~]/g, "?");
}

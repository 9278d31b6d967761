/**
 * Tables as `desiredTable()` makes them, for tests.
 *
 * @module
 */

import { parsePrefix } from "../../mod/core/address.ts";
import {
  desiredTable,
  type Table,
  type TableOptions,
} from "../../mod/core/nftables.ts";

/** Of a link `clusternet`; prefixes by commas. */
export function testTable(
  clusterCidrs: string,
  podCidrs: string,
  options: Partial<TableOptions> = {},
): Table {
  const prefixes = (text: string) =>
    text === "" ? [] : text.split(",").map(parsePrefix);
  return desiredTable({
    link: "clusternet",
    clusterCidrs: prefixes(clusterCidrs),
    podCidrs: prefixes(podCidrs),
    masquerade: true,
    ...options,
  });
}

export const DUAL_STACK: Table = testTable(
  "10.0.0.0/16,fd00:10::/48",
  "10.0.1.0/24,fd00:10:0:1::/64",
);

/** Prefixes that do not end with a byte, two of one family, and a link of 15 letters. */
export const ODD_LENGTHS: Table = testTable(
  "10.128.0.0/9,fd00:10::/45",
  "10.128.1.64/26,10.129.0.0/23,fd00:10:0:8::/61",
  { link: "cluster-net.078" },
);

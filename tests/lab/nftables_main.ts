/**
 * Replaces the table, once. Run by the test that kills it.
 *
 * @module
 */

import { Nftables } from "../../mod/sys/nftables.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { DUAL_STACK } from "../support/tables.ts";

await new Nftables(await loadShim()).replace(DUAL_STACK);

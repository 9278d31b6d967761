/**
 * What every TablePort must do: the fake, and the kernel's nf_tables.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { TablePort } from "../../mod/agent/ports.ts";
import { sameTable, tableText } from "../../mod/core/nft_text.ts";
import type { Table } from "../../mod/core/nftables.ts";
import { DUAL_STACK, ODD_LENGTHS, testTable } from "../support/tables.ts";

/** A machine without tables, for one test. */
export interface TableLab extends AsyncDisposable {
  readonly port: TablePort;
}

const LINKS = ["clusternet", "cn.0", "a-b_c", "fifteen-letters", 'odd"name*'];

const TABLES: readonly Table[] = [
  DUAL_STACK,
  ODD_LENGTHS,
  testTable("10.0.0.0/16", ""),
  testTable("fd00::/16", "fd00:0:0:1::/64", { masquerade: false }),
  ...LINKS.map((link) => testTable("10.0.0.0/16", "10.0.1.0/24", { link })),
];

/** Registers the tests, each with a lab of its own. */
export function tableContract(
  name: string,
  makeLab: () => Promise<TableLab>,
): void {
  Deno.test(`${name}: read() of a table that is not there is null`, async () => {
    await using lab = await makeLab();
    assert.equal(await lab.port.read("clusternet"), null);
    await lab.port.replace(ODD_LENGTHS);
    assert.equal(await lab.port.read("clusternet"), null);
  });

  for (const table of TABLES) {
    Deno.test(`${name}: read() gives back what replace() was given: ${table.name}, ${tableText(table).length} letters`, async () => {
      await using lab = await makeLab();
      await lab.port.replace(table);
      assert.deepEqual(await lab.port.read(table.name), table);
    });
  }

  Deno.test(`${name}: replace() leaves nothing of what was there, and others alone`, async () => {
    await using lab = await makeLab();
    const before = testTable("10.0.0.0/8", "10.9.0.0/24");
    for (const table of [ODD_LENGTHS, before, DUAL_STACK, DUAL_STACK]) {
      await lab.port.replace(table);
    }
    assert.deepEqual(await lab.port.read(DUAL_STACK.name), DUAL_STACK);
    assert.deepEqual(await lab.port.read(ODD_LENGTHS.name), ODD_LENGTHS);
    assert.equal(sameTable(before, DUAL_STACK), false);
  });
}

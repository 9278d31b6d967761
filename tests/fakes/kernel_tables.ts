/**
 * TablePort in memory.
 *
 * @module
 */

import type { TablePort } from "../../mod/agent/ports.ts";
import type { ForwardDrop } from "../../mod/core/forward.ts";
import type { Table } from "../../mod/core/nftables.ts";
import { FAKE_ERRNO, type FakeMachine, refuse } from "./machine.ts";

export class FakeTables implements TablePort {
  readonly #machine: FakeMachine;

  constructor(machine: FakeMachine) {
    this.#machine = machine;
  }

  async read(name: string): Promise<Table | null> {
    await Promise.resolve();
    this.#machine.enter({ kind: "read", text: `read table ${name}` });
    return this.#machine.tables.get(name) ?? null;
  }

  async forwardDrops(): Promise<readonly ForwardDrop[]> {
    await Promise.resolve();
    this.#machine.enter({ kind: "read", text: "read chain FORWARD" });
    return this.#machine.forwardDrops;
  }

  async replace(table: Table): Promise<void> {
    await Promise.resolve();
    const { name } = table;
    this.#machine.enter({ kind: "write", text: `replace-table ${name}` });
    if (!this.#machine.can.nftables) {
      refuse("replace table", name, FAKE_ERRNO.EOPNOTSUPP);
    }
    this.#machine.tables.set(name, table);
    this.#machine.changed();
  }
}

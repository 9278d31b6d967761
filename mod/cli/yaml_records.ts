/**
 * An object with long lists in it, written item by item as YAML.
 *
 * @module
 */

import { dump } from "js-yaml";
import type { Records } from "../view/records.ts";

export class YamlRecords implements Records {
  #name = "";
  #rows = 0;

  begin(head: Readonly<Record<string, unknown>>): string {
    return yamlText(head);
  }

  /** Where nothing comes of it, it has to be empty on the same line. */
  list(name: string): string {
    this.#name = name;
    this.#rows = 0;
    return "";
  }

  item(value: unknown): string {
    return yamlText([value]);
  }

  rows(items: readonly string[]): string {
    if (items.length === 0) return "";
    const title = this.#rows === 0 ? `${this.#name}:\n` : "";
    this.#rows += items.length;
    return title + items.join("");
  }

  endList(): string {
    return this.#rows === 0 ? `${this.#name}: []\n` : "";
  }

  end(): string {
    return "";
  }
}

export function yamlText(value: unknown): string {
  return dump(value, { lineWidth: -1, noRefs: true });
}

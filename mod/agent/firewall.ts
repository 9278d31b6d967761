/**
 * Warns, once, where the host's own firewall seems to drop what pods send. No
 * problem of ours, nor certain: rules that we cannot read may accept it.
 *
 * @module
 */

import type { Prefix } from "../core/address.ts";
import { KernelError } from "../core/errors.ts";
import { type ForwardDrop, forwardSentences } from "../core/forward.ts";
import type { Log } from "../core/log.ts";
import { News } from "./news.ts";
import type { TablePort } from "./ports.ts";

export class FirewallWatch {
  readonly #tables: TablePort;
  readonly #news: News;

  constructor(tables: TablePort, log: Log) {
    this.#tables = tables;
    this.#news = new News(log);
  }

  async look(podCidrs: readonly Prefix[]): Promise<void> {
    let drops: readonly ForwardDrop[];
    try {
      drops = await this.#tables.forwardDrops();
    } catch (error) {
      if (error instanceof KernelError) return; // the next look will do
      throw error;
    }
    this.#news.say(forwardSentences(drops, podCidrs));
  }
}

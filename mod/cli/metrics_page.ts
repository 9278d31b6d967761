/**
 * `/metrics`: gathered and written when somebody asks, and imported then, too.
 *
 * @module
 */

import type { Overview } from "../agent/overview.ts";
import type { Clock } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import { processFigures } from "../core/process_figures.ts";
import type { Status } from "../core/status.ts";
import type { Page, PageRequest } from "../sys/http_server.ts";
import { readProcessFiles } from "../sys/process_files.ts";
import type { Shim } from "../sys/shim.ts";
import { families } from "../view/metrics.ts";
import {
  METRICS_TYPES,
  metricsText,
  wantedFormat,
} from "../view/metrics_text.ts";

/** Nodes up to which each peer has series of its own: some 1,200 then. */
export const PEERS_LIMIT = 200;

/** Milliseconds between two looks at who is silent: one packet each. */
const PROBE_EVERY_MS = 50_000;

export interface MetricsPageOptions {
  readonly clock: Clock;
  readonly config: Pick<Config, "metricsPerPeer">;
  readonly overview: Pick<Overview, "probeAll" | "status">;
  readonly shim: Shim;
}

export class MetricsPage {
  readonly #options: MetricsPageOptions;
  #probedAt = -Infinity;

  constructor(options: MetricsPageOptions) {
    this.#options = options;
  }

  async page({ accept }: Pick<PageRequest, "accept">): Promise<Page> {
    const { overview, shim } = this.#options;
    const status = await overview.status();
    const perPeer = this.#perPeer(status);
    if (perPeer) this.#probe();
    const format = wantedFormat(accept);
    const process = processFigures(readProcessFiles(shim));
    const facts = { counters: shim.counters, perPeer, process, status };
    return {
      status: 200,
      type: METRICS_TYPES[format],
      body: metricsText(families(facts), format),
      headers: { vary: "Accept" },
    };
  }

  #perPeer({ api }: Status): boolean {
    const { metricsPerPeer } = this.#options.config;
    return metricsPerPeer === "auto"
      ? api.nodes <= PEERS_LIMIT
      : metricsPerPeer;
  }

  /**
   * Who has no session is asked, for the next scrape: an idle peer answers, one
   * that is down does not. Nobody waits for it.
   */
  #probe(): void {
    const { clock, overview } = this.#options;
    if (clock.now() - this.#probedAt < PROBE_EVERY_MS) return;
    this.#probedAt = clock.now();
    overview.probeAll("silent").catch(() => {
      // The status says what is wrong with the kernel.
    });
  }
}

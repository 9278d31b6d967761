/**
 * Looks at the directories of CNI, once in each full turn: so what was missing is
 * found within half a minute of being put there.
 *
 * @module
 */

import { CNI_PLUGINS, LEASES_DIRECTORY } from "../core/cni.ts";
import { type CniVerdict, judgeCni } from "../core/cni_check.ts";
import type { Config } from "../core/config.ts";
import type { Log } from "../core/log.ts";
import { News } from "./news.ts";
import type { CniPort } from "./ports.ts";

export class CniWatch {
  readonly #cni: CniPort;
  readonly #config: Config;
  readonly #news: News;
  #last: CniVerdict = { problems: [], outages: [], notes: [] };

  constructor(cni: CniPort, { config, log }: {
    readonly config: Config;
    readonly log: Log;
  }) {
    this.#cni = cni;
    this.#config = config;
    this.#news = new News(log);
  }

  /** What the last look has found. */
  get last(): CniVerdict {
    return this.#last;
  }

  async look(): Promise<CniVerdict> {
    const { cniBinDirs, cniConfFile, cniNetworkName } = this.#config;
    // Whoever writes the configuration knows what it needs.
    if (cniConfFile === "") return this.#last;
    const found = await this.#cni.look({
      file: cniConfFile,
      plugins: CNI_PLUGINS,
      binDirs: cniBinDirs,
      leases: `${LEASES_DIRECTORY}/${cniNetworkName}`,
    });
    this.#last = judgeCni(found, this.#config);
    this.#news.say(this.#last.notes);
    return this.#last;
  }
}

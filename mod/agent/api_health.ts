/**
 * What the watch says of the API server, as health: at once as long as there has
 * been no list, later only when it lasts. An API server that is started anew is no
 * news for a network that stands; one that lets us in no more is.
 *
 * @module
 */

import type { Problem } from "../core/problem.ts";
import { Bell } from "./bell.ts";
import type { Health } from "./health.ts";
import type { Clock } from "./ports.ts";

/** Milliseconds that trouble lasts before it is told, once there has been a list. */
export const TROUBLE_MS = 15_000;

const REST_MS = 30_000;

export interface ApiStatus {
  /** A complete list has been received since the start. */
  readonly synced: boolean;
  /** What is wrong now. */
  readonly lastError: Problem | undefined;
}

export interface ApiHealthOptions {
  readonly clock: Clock;
  readonly health: Health;
  /** The time of day: RFC 3339, UTC, whole seconds. */
  utcNow(): string;
}

interface Trouble {
  readonly problem: Problem;
  /** For people. */
  readonly since: string;
  /** `Clock.now()` */
  readonly at: number;
}

export class ApiHealth {
  readonly #options: ApiHealthOptions;
  readonly #bell = new Bell();
  #trouble: Trouble | undefined;

  constructor(options: ApiHealthOptions) {
    this.#options = options;
  }

  /** As the watch reports it. */
  report({ synced, lastError: problem }: ApiStatus): void {
    const { clock, health, utcNow } = this.#options;
    const before = this.#trouble;
    if (problem === undefined) {
      this.#trouble = undefined;
      if (synced) health.report("nodes", []);
      return;
    }
    this.#trouble = {
      problem,
      since: before?.since ?? utcNow(),
      at: before?.at ?? clock.now(),
    };
    if (!synced) this.#tell(this.#trouble);
    else this.#bell.ring("trouble");
  }

  /** A task: tells of what has lasted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      this.#bell.take();
      const trouble = this.#trouble;
      const left = trouble === undefined
        ? REST_MS
        : trouble.at + TROUBLE_MS - clock.now();
      if (trouble !== undefined && left <= 0) this.#tell(trouble);
      await this.#bell.wait(left > 0 ? left : REST_MS, { clock, signal });
    }
  }

  #tell({ problem, since }: Trouble): void {
    const text = `${problem.text} (since ${since})`;
    this.#options.health.report("nodes", [{ ...problem, text }]);
  }
}

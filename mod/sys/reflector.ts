/**
 * Keeps a sink equal to the Nodes of the API server: a list, then a watch from
 * there, for as long as it may run.
 *
 * Invariants: a list reaches the sink whole or not at all. Lists ask for the
 * newest state, and watches go on from what was last seen, so that the sink never
 * goes back to an older one; versions are opaque and never compared. A watch that
 * ends is resumed; a list is made anew only where the server no longer has the
 * history. Nothing waits without a deadline, nothing is repeated without a pace.
 *
 * client-go's `tools/cache/reflector.go` is the model; where this differs,
 * `tests/sys/reflector_test.ts` says so.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import type { Counters } from "../core/counters.ts";
import { errorText } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { NodeSink } from "../core/node.ts";
import { type Problem, problemOf } from "../core/problem.ts";
import { type Span, type Tracer, UNTRACED } from "../core/trace.ts";
import type { WatchEvent } from "../wire/node_json.ts";
import type { NodeLister } from "./kube_client.ts";
import { ApiError, NetworkError } from "./kube_error.ts";
import { listInPages } from "./node_pages.ts";
import { Listing, NodeStore } from "./node_store.ts";
import type { NodeWatch } from "./node_watch.ts";
import { Pace } from "../core/pace.ts";
import { Progress } from "../core/progress.ts";
import {
  fallsBackToPages,
  historyIsGone,
  isRefusal,
  restartReason,
} from "./reflector_errors.ts";
import { Silence } from "./silence.ts";

export interface ReflectorStatus {
  /** A complete list has been received since the start. */
  readonly synced: boolean;
  /** `Clock.now()` of the last list, event or bookmark. */
  readonly lastEventAt: number | undefined;
  /** What is wrong now. */
  readonly lastError: Problem | undefined;
}

export interface ReflectorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters?: Counters;
  readonly tracer?: Tracer;
  /** Called when `synced` or `lastError` change. */
  readonly onStatus?: (status: ReflectorStatus) => void;
}

/** Milliseconds; bookmarks come about once a minute, so a healthy watch is never silent for so long. */
const SILENCE_MS = 90_000;
/** Milliseconds; a watch that lived as long as this was a good one. */
const GOOD_MS = 4_000;
/** Seconds, and as many again at random: watches move on to other servers. */
const WATCH_SECONDS = 300;
/** Refusals in a row after which the history is given up. */
const REFUSALS = 3;
/** Streamed lists in a row that may end too early before pages take their place. */
const UNFINISHED = 2;

const WATCH = { what: "watch Nodes", grant: "nodes list,watch" };

export class Reflector {
  readonly #api: NodeLister;
  readonly #store: NodeStore;
  readonly #options: ReflectorOptions;
  readonly #pace: Pace;
  #status: ReflectorStatus = {
    synced: false,
    lastEventAt: undefined,
    lastError: undefined,
  };
  /** The version that the store is of; `undefined`: a list is needed. */
  #version: string | undefined;
  /** From its beginning until it is whole, or has failed. */
  #list: Span | undefined;
  /** Streamed lists in a row that ended before they were complete. */
  #unfinished = 0;
  /** Watches in a row that the server refused, or that could not be read. */
  #refusals = 0;

  constructor(api: NodeLister, sink: NodeSink, options: ReflectorOptions) {
    this.#api = api;
    this.#store = new NodeStore(sink);
    this.#options = options;
    this.#pace = new Pace(options.clock);
  }

  get status(): ReflectorStatus {
    return this.#status;
  }

  /** Until aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      let pause: number;
      try {
        if (this.#version === undefined) {
          const { tracer = UNTRACED } = this.#options;
          this.#list = tracer.open("list-nodes", { root: true });
        }
        const work = (): Promise<number> => this.#turn(signal);
        pause = await (this.#list?.within(work) ?? work());
      } catch (error) {
        if (signal.aborted) return;
        pause = this.#failed(error);
      }
      await clock.sleep(pause, signal);
    }
  }

  /** One list or one watch, to its end. @returns milliseconds until the next */
  async #turn(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options;
    if (this.#version === undefined && this.#unfinished >= UNFINISHED) {
      await this.#listPages(signal);
    }
    const listing = this.#version === undefined;
    const start = clock.now();
    const isGood = (): boolean =>
      this.#version !== undefined && clock.now() - start >= GOOD_MS;
    try {
      await this.#follow(await this.#open(signal), signal);
    } catch (error) {
      if (isGood()) this.#good();
      const incomplete = listing && this.#version === undefined;
      if (!incomplete || !fallsBackToPages(error)) throw error;
      this.#options.log.debug(
        `No streamed list: ${errorText(error)}; listing in pages`,
      );
      await this.#listPages(signal);
      return this.#pace.wait();
    }
    if (!isGood()) return this.#pace.failed();
    this.#good();
    return Math.max(this.#pace.wait(), clock.random() * 1_000);
  }

  #open(signal: AbortSignal): Promise<NodeWatch> {
    const { clock } = this.#options;
    this.#pace.spend();
    return this.#api.watch({
      resourceVersion: this.#version ?? "",
      initialEvents: this.#version === undefined,
      timeoutSeconds: Math.round(WATCH_SECONDS * (1 + clock.random())),
      known: this.#store,
    }, signal);
  }

  /** Read a watch to its end; first, without a version, a streamed list. */
  async #follow(watch: NodeWatch, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const close = (): void => watch.close();
    let silent = false;
    let listed = this.#version === undefined ? new Listing() : undefined;
    const { log } = this.#options;
    const progress = new Progress({ clock, log, what: "Listing Nodes" });
    using silence = new Silence(clock, SILENCE_MS, () => {
      silent = true;
      watch.close();
    });
    using _steady = new Silence(clock, GOOD_MS, () => {
      if (listed === undefined) this.#good();
    });
    signal.addEventListener("abort", close, { once: true });
    try {
      if (signal.aborted) close();
      for (;;) {
        const events = await watch.read();
        if (events === undefined || signal.aborted) break;
        silence.heard();
        for (const event of events) {
          listed = listed === undefined
            ? this.#apply(event)
            : this.#collect(event, listed);
        }
        if (listed === undefined) this.#heard();
        else progress.at(listed.size);
      }
    } finally {
      signal.removeEventListener("abort", close);
      watch.close();
      if (listed !== undefined) this.#unfinished++;
    }
    if (listed !== undefined) {
      throw new NetworkError(
        silent
          ? `Cannot list Nodes: nothing came for ${SILENCE_MS / 1_000} s`
          : "Cannot list Nodes: the stream ended before the list was complete",
        { reason: "APIServerTrouble" },
      );
    }
    if (signal.aborted) return;
    const { counters } = this.#options;
    counters?.add("watch-restarts", silent ? "silent" : "ended");
    if (silent) {
      log.debug(
        `The watch was silent for ${SILENCE_MS / 1_000} s: connecting anew`,
      );
    }
  }

  /** An event of the initial state. @returns the state so far; `undefined`: it is complete */
  #collect(
    event: WatchEvent,
    listed: Listing,
  ): Listing | undefined {
    switch (event.kind) {
      case "upsert":
        listed.set(event.node, event.fingerprint);
        return listed;
      case "unchanged": {
        const node = this.#store.get(event.name);
        if (node === undefined) return listed; // it is known only where it is held
        listed.set(node, this.#store.fingerprint(event.name));
        return listed;
      }
      case "remove":
        listed.delete(event.name);
        return listed;
      case "bookmark": {
        if (!event.initialEnd || event.resourceVersion === undefined) {
          return listed;
        }
        this.#replace(listed, event.resourceVersion);
        return undefined;
      }
      case "error":
        throw new ApiError(WATCH, event.status);
      case "unknown":
        this.#options.log.debug(`Passed over ${event.why}`);
        return listed;
    }
  }

  #apply(event: WatchEvent): undefined {
    switch (event.kind) {
      case "upsert":
        this.#store.upsert(event.node, event.fingerprint);
        break;
      case "unchanged":
        break;
      case "remove":
        this.#store.remove(event.name);
        break;
      case "bookmark":
        break;
      case "error":
        throw new ApiError(WATCH, event.status);
      case "unknown":
        this.#options.log.debug(`Passed over ${event.why}`);
        return;
    }
    this.#version = event.resourceVersion ?? this.#version;
    this.#refusals = 0;
  }

  async #listPages(signal: AbortSignal): Promise<void> {
    this.#list?.set({ paged: true });
    const { clock, log } = this.#options;
    const progress = new Progress({ clock, log, what: "Listing Nodes" });
    const { nodes, resourceVersion } = await listInPages(this.#api, {
      signal,
      spend: () => this.#pace.spend(),
      progress: (count) => progress.at(count),
    });
    this.#replace(Listing.of(nodes), resourceVersion);
  }

  #replace(listing: Listing, version: string): void {
    const { synced: again } = this.#status;
    if (again) this.#options.counters?.add("relists");
    this.#store.replace(listing);
    this.#list?.set({ nodes: this.#store.size, again });
    this.#endList();
    this.#version = version;
    this.#unfinished = 0;
    this.#refusals = 0;
    this.#report({
      synced: true,
      lastEventAt: this.#options.clock.now(),
      lastError: undefined,
    });
  }

  /** @returns milliseconds until the next try */
  #failed(error: unknown): number {
    this.#list?.fail(errorText(error));
    this.#endList();
    const { failures } = this.#pace;
    if (this.#version !== undefined) {
      this.#options.counters?.add("watch-restarts", restartReason(error));
    }
    if (this.#version !== undefined && historyIsGone(error)) {
      this.#options.log.debug(`${errorText(error)}: listing anew`);
      this.#version = undefined;
      // The first at once; when it happens again and again, with the pace.
      const pause = this.#pace.failed();
      return failures === 0 ? this.#pace.wait() : pause;
    }
    if (this.#version !== undefined && isRefusal(error)) {
      this.#refusals++;
      if (this.#refusals >= REFUSALS) {
        this.#refusals = 0;
        this.#version = undefined;
      }
    }
    this.#report({ ...this.#status, lastError: problemOf(error) });
    const seconds = error instanceof ApiError ? error.retryAfterSeconds : 0;
    return this.#pace.failed((seconds ?? 0) * 1_000);
  }

  #endList(): void {
    this.#list?.end();
    this.#list = undefined;
  }

  #heard(): void {
    this.#report({
      ...this.#status,
      lastEventAt: this.#options.clock.now(),
      lastError: undefined,
    });
  }

  /** The connection has proved itself. */
  #good(): void {
    this.#pace.succeeded();
    this.#report({ ...this.#status, lastError: undefined });
  }

  #report(status: ReflectorStatus): void {
    const before = this.#status;
    this.#status = status;
    const { lastError, synced } = status;
    const news = before.lastError?.text !== lastError?.text;
    if (!news && before.synced === synced) return;
    const { log, onStatus } = this.#options;
    if (news) {
      if (lastError !== undefined) {
        log.warn(lastError.text, { event: "api-failed" });
      } else {
        log.info("The API server answers again", {
          event: "api-back",
          nodes: this.#store.size,
        });
      }
    }
    onStatus?.(status);
  }
}

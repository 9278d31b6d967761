/**
 * Kubernetes Events on our own Node: what a person has to see to, and that it is
 * over. It is told beside the log and the condition, and nothing waits for it:
 * what cannot be written costs one log line.
 *
 * @module
 */

import { errorText } from "../core/errors.ts";
import {
  eventName,
  eventObject,
  type Regarded,
  seriesPatch,
  type Told,
} from "../core/event.ts";
import type { Json } from "../core/json_patch.ts";
import type { Log } from "../core/log.ts";
import { type Trouble, Troubles } from "../core/troubles.ts";
import type { Bell } from "./bell.ts";
import type { Clock } from "./ports.ts";

/** Of Events in the namespace `default`. */
export interface EventApi {
  /** @returns "there": one of that name exists */
  createEvent(event: Json, signal: AbortSignal): Promise<"made" | "there">;
  /**
   * A merge patch; an empty one only reads.
   *
   * @returns the count of its series, 1 where it has none; `undefined`: there is no such Event
   */
  patchEvent(
    name: string,
    patch: Json,
    signal: AbortSignal,
  ): Promise<number | undefined>;
}

export interface EventsOptions {
  readonly api: EventApi;
  /** Rings when something may be wrong that was not, or the other way round. */
  readonly bell: Bell;
  readonly clock: Clock;
  readonly log: Log;
  /** Our own Node; `undefined`: not known. */
  self(): Regarded | undefined;
  /** All that is wrong now. Never rejects. */
  troubles(): Promise<readonly Trouble[]>;
  /** Milliseconds since 1970. */
  wallClock(): number;
}

/** Milliseconds after which it is looked without a bell. */
const REST_MS = 60_000;
/** Milliseconds of rest after an Event that could not be written: nobody is pressed. */
const REFUSED_MS = 3_600_000;
const FAILED_MS = 60_000;

/** A task. */
export async function tellEvents(
  options: EventsOptions,
  signal: AbortSignal,
): Promise<void> {
  const { bell, clock, log, self } = options;
  const troubles = new Troubles(clock);
  let said = false;
  let pausedUntil = -Infinity;
  while (!signal.aborted) {
    bell.take();
    troubles.look(await options.troubles());
    const node = self();
    const paused = pausedUntil - clock.now();
    const told = node === undefined || paused > 0 ? undefined : troubles.next();
    if (node === undefined || told === undefined) {
      const due = Math.max(troubles.wait(), paused);
      await bell.wait(Math.min(REST_MS, due), { clock, signal });
      continue;
    }
    troubles.spend();
    try {
      await writeEvent(options, { node, told }, signal);
      troubles.told(told);
      said = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!said) {
        log.warn(`${errorText(error)} (all goes on without Events)`, {
          event: "event-failed",
        });
      }
      said = true;
      pausedUntil = clock.now() +
        (isRefusal(error) ? REFUSED_MS : FAILED_MS);
    }
  }
}

/** New, or once more of the same; the second write is for one that is there, or is there no more. */
export async function writeEvent(
  { api, wallClock }: Pick<EventsOptions, "api" | "wallClock">,
  { node, told }: { readonly node: Regarded; readonly told: Told },
  signal: AbortSignal,
): Promise<void> {
  const at = wallClock();
  const made = await api.createEvent(eventObject(node, told, at), signal);
  if (made === "made") return;
  const name = eventName(node, told);
  const count = await api.patchEvent(name, {}, signal);
  if (count === undefined) return; // forgotten in between: the next one is new
  await api.patchEvent(name, seriesPatch(count + 1, at), signal);
}

/** RBAC, an admission policy: what does not pass by itself. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || !("status" in error)) return false;
  const { status } = error;
  return typeof status === "object" && status !== null && "code" in status &&
    (status.code === 403 || status.code === 422);
}

/**
 * Asks the API server once how old it is, and says so where it is too old; then
 * again and again, until it is not. What cannot be asked or read is passed over:
 * a version is no reason for trouble of its own.
 *
 * @module
 */

import type { Problem } from "../core/problem.ts";
import { oldServer } from "../core/server_version.ts";
import type { Health } from "./health.ts";
import type { Clock } from "./ports.ts";

export interface VersionApi {
  /** For messages. */
  readonly server: string;
  /** `undefined`: it does not say. Rejects where there is no answer. */
  serverVersion(signal: AbortSignal): Promise<string | undefined>;
}

export interface VersionOptions {
  readonly api: VersionApi;
  readonly clock: Clock;
  readonly health: Health;
  /** Resolves when the API server has answered something else. */
  readonly answers: Promise<void>;
}

/** Milliseconds until the next look at one that was too old. */
const AGAIN_MS = 300_000;

/** A task. */
export async function checkServerVersion(
  { answers, api, clock, health }: VersionOptions,
  signal: AbortSignal,
): Promise<void> {
  await untilEither(answers, signal);
  while (!signal.aborted) {
    let problem: Problem | undefined;
    try {
      const version = await api.serverVersion(signal);
      problem = version === undefined
        ? undefined
        : oldServer(version, api.server);
    } catch { /* the watch says why there is no answer */ }
    health.report("version", problem === undefined ? [] : [problem]);
    if (problem === undefined) return await untilEither(undefined, signal);
    await clock.sleep(AGAIN_MS, signal);
  }
}

function untilEither(
  promise: Promise<void> | undefined,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
    promise?.then(resolve);
  });
}

/**
 * `clusternet status --watch`: in place on a terminal, a new block for each
 * change elsewhere. A signal ends it as it ends any program.
 *
 * @module
 */

import { FatalError } from "../core/errors.ts";
import type { Status } from "../core/status.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { sleepWhileRead } from "../sys/pipe_reader.ts";
import { cut } from "../view/text.ts";
import { statusIn } from "./status.ts";
import type { StatusArguments } from "./status_options.ts";
import { standardOutput, type Terminal, writeOut } from "./terminal.ts";

/** Milliseconds between two looks, and two probes. */
const LOOK_MS = 2_000;
const PROBE_MS = 10_000;

/** Resolves when nobody reads any more. */
export async function watch(wanted: StatusArguments): Promise<number> {
  const { link, output, probe } = wanted;
  let probed = -Infinity;
  return await showAgain({ output, pauseMs: LOOK_MS }, async () => {
    const probeNow = probe && clock.now() - probed >= PROBE_MS;
    if (probeNow) probed = clock.now();
    const found = await askStatus({ link, query: probeNow ? "probe=1" : "" });
    return {
      text: await statusIn(output, found),
      essence: essenceOf(found),
    };
  });
}

export interface Look {
  /** With a line end. */
  readonly text: string;
  /** Is this another one, it is a change. */
  readonly essence: string;
}

/**
 * @returns 0, when nobody reads any more
 * @throws {FatalError} where the first look fails; later ones are shown as they are
 */
export async function showAgain(
  { output, pauseMs }: Pick<StatusArguments, "output"> & {
    readonly pauseMs: number;
  },
  look: () => Promise<Look>,
): Promise<number> {
  let before: string | undefined;
  for (;;) {
    const { essence, text } = await look().catch((error) => {
      // The agent may come back: it is being upgraded, say.
      if (!(error instanceof FatalError) || before === undefined) throw error;
      return { text: `${error.message}\n`, essence: error.message };
    });
    const terminal = standardOutput();
    const inPlace = terminal.height !== undefined && output === "text";
    const changed = essence !== before;
    const shown = inPlace
      ? screen(text, { ...terminal, first: before === undefined })
      : block(text, { output, first: before === undefined });
    before = essence;
    if ((inPlace || changed) && !await writeOut(shown)) return 0;
    if (!await sleepWhileRead(pauseMs, clock)) return 0;
  }
}

/** What a person would call a change: not ages and counters. */
function essenceOf(found: Status): string {
  const { api, findings, health, key, link, node, peers } = found;
  return JSON.stringify([
    ...[node, key, link, health, findings, api.synced, api.error, api.nodes],
    peers.map(({ node, publicKey, endpoint, podCidrs, state }) => [
      ...[node, publicKey, endpoint, podCidrs, state],
    ]),
  ]);
}

/** JSON stands a line a status; YAML as documents; text with an empty line between. */
function block(
  text: string,
  { output, first }: Pick<StatusArguments, "output"> & {
    readonly first: boolean;
  },
): string {
  switch (output) {
    case "json":
      return `${JSON.stringify(JSON.parse(text))}\n`;
    case "yaml":
      return `---\n${text}`;
    case "text":
      return first ? text : `\n${text}`;
  }
}

/** Over what is there, line by line: nothing flickers. */
function screen(
  text: string,
  { first, height = 24, width = 80 }: Terminal & { readonly first: boolean },
): string {
  const all = text.trimEnd().split("\n");
  const room = height - 1;
  const more = all.length - room + 1;
  const lines = all.length <= room
    ? all
    : [...all.slice(0, room - 1), cut(`… ${more} more lines`, width)];
  const start = first ? "\x1b[2J\x1b[H" : "\x1b[H";
  return `${start}${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`;
}

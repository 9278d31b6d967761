/**
 * `clusternet status`: what the agent of this machine sees, once, again and
 * again, or until all stands; `--all`: what every agent of a cluster sees.
 *
 * @module
 */

import { FatalError } from "../core/errors.ts";
import { wantsHelp } from "../core/flags.ts";
import type { Status } from "../core/status.ts";
import { waitingFor } from "../core/waiting.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { isHealthy, statusText } from "../view/status_text.ts";
import { durationText } from "../view/units.ts";
import {
  type OutputFormat,
  parseStatus,
  type StatusArguments,
  statusHelp,
} from "./status_options.ts";
import { progress, standardOutput, writeOut } from "./terminal.ts";

/** @returns the exit code: 0 healthy, 1 not */
export async function status(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    await writeOut(statusHelp());
    return 0;
  }
  const wanted = parseStatus(args, (name) => Deno.env.get(name));
  if (wanted.all) {
    const { statusAll } = await import("./status_all.ts");
    return await statusAll(wanted);
  }
  if (wanted.waitMs !== undefined) return await wait(wanted, wanted.waitMs);
  if (wanted.watch) {
    const { watch } = await import("./status_watch.ts");
    return await watch(wanted);
  }
  const found = await ask(wanted);
  await writeOut(await statusIn(wanted.output, found));
  return isHealthy(found) ? 0 : 1;
}

/** Says how many peers are probed while that lasts. */
async function ask({ link, probe }: StatusArguments): Promise<Status> {
  const quick = await askStatus({ link });
  if (!probe || quick.peers.length === 0) return quick;
  const { length } = quick.peers;
  using _said = progress(
    `probing ${length} ${length === 1 ? "peer" : "peers"}…`,
  );
  return await askStatus({ link, query: "probe=1" });
}

/** With a line end. */
export async function statusIn(
  format: OutputFormat,
  found: Status,
): Promise<string> {
  switch (format) {
    case "text":
      return `${statusText(found, standardOutput()).join("\n")}\n`;
    case "json":
      return `${JSON.stringify(found, null, 2)}\n`;
    case "yaml":
      return (await import("./yaml_records.ts")).yamlText(found);
  }
}

/** Milliseconds between two looks. */
const LOOK_MS = 1_000;

/** Tells what is waited for, one line a change. */
async function wait(
  wanted: StatusArguments,
  waitMs: number,
): Promise<number> {
  const { link, output } = wanted;
  const end = clock.now() + waitMs;
  let said = "";
  const { signal } = new AbortController();
  for (;;) {
    let what: string;
    try {
      const found = await askStatus({ link, query: "probe=1" });
      const sentence = waitingFor(found);
      if (sentence === undefined) {
        await writeOut(await statusIn(output, found));
        return 0;
      }
      what = sentence;
    } catch (error) {
      if (!(error instanceof FatalError) || isRefusal(error)) throw error;
      what = error.message;
    }
    if (clock.now() >= end) {
      throw new FatalError(
        `Not all stands after ${durationText(waitMs / 1_000)}: ${what}`,
        1,
      );
    }
    if (what !== said) console.error(`waiting: ${what}`);
    said = what;
    await clock.sleep(Math.min(LOOK_MS, end - clock.now()), signal);
  }
}

/** Waiting mends no missing right. */
function isRefusal({ cause }: FatalError): boolean {
  return cause instanceof Deno.errors.PermissionDenied ||
    cause instanceof Deno.errors.NotCapable;
}

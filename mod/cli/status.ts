/**
 * `clusternet status`: what the agent of this machine sees, once, again and
 * again, or until all stands; `--all`: what every agent of a cluster sees.
 *
 * @module
 */

import { FatalError } from "../core/errors.ts";
import { usage, wantsHelp } from "../core/flags.ts";
import type { Status } from "../core/status.ts";
import { waitingFor } from "../core/waiting.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { isHealthy, statusText } from "../view/status_text.ts";
import {
  type OutputFormat,
  parseStatus,
  type StatusArguments,
  statusHelp,
} from "./status_options.ts";
import { waitUntilNothing } from "./status_wait.ts";
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
  if (wanted.packed && Deno.stdout.isTerminal()) {
    throw usage(
      "Cannot use -o json.gz on a terminal: give it to a file or a program",
    );
  }
  if (wanted.waitMs !== undefined) return await wait(wanted, wanted.waitMs);
  if (wanted.watch) {
    const { watch } = await import("./status_watch.ts");
    return await watch(wanted);
  }
  const found = await ask(wanted);
  await show(found, wanted);
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

/** Nothing where nobody reads any more. */
async function show(
  found: Status,
  { output, packed }: Pick<StatusArguments, "output" | "packed">,
): Promise<void> {
  const text = await statusIn(output, found);
  if (!packed) return void await writeOut(text);
  const { gzipped } = await import("../wire/gzip.ts");
  await writeOut(await gzipped(text));
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

/** @returns 0, with what stands; else it throws what is missing */
async function wait(
  wanted: StatusArguments,
  waitMs: number,
): Promise<number> {
  await waitUntilNothing(waitMs, async () => {
    try {
      const found = await askStatus({ link: wanted.link, query: "probe=1" });
      const missing = waitingFor(found);
      if (missing === undefined) await show(found, wanted);
      return missing;
    } catch (error) {
      if (!(error instanceof FatalError) || isRefusal(error)) throw error;
      return error.message;
    }
  });
  return 0;
}

/** Waiting mends no missing right. */
function isRefusal({ cause }: FatalError): boolean {
  return cause instanceof Deno.errors.PermissionDenied ||
    cause instanceof Deno.errors.NotCapable;
}

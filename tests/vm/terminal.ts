/**
 * How the commands around the guest meet a terminal: Ctrl-C ends the guest, errors are one
 * sentence on stderr.
 *
 * @module
 */

import { GuestError } from "./guest.ts";

/** Runs to the end or to SIGINT or SIGTERM, which abort the signal. Returns an exit code. */
export async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const stop = (): void =>
    controller.abort(new GuestError("Interrupted: the guest is gone"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, stop);
  }
  try {
    return await work(controller.signal);
  } catch (err) {
    // The terminal interrupts the programs that build the guest as well: what they say is noise.
    const shown: unknown = controller.signal.aborted
      ? controller.signal.reason
      : err;
    if (!(shown instanceof GuestError)) throw shown;
    console.error(shown.message);
    return controller.signal.aborted ? 130 : 1;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.removeSignalListener(signal, stop);
    }
  }
}

export function showProgress(message: string): void {
  console.error(`vm: ${message}`);
}

/** The command's lines on stdout, the kernel's on stderr. */
export function showLine(line: string, source: "command" | "kernel"): void {
  if (source === "command") console.log(line);
  else console.error(`kernel: ${line}`);
}

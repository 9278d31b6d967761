/**
 * Programs of the tests that a person may end at any time.
 *
 * @module
 */

/** Exit code after a signal. */
export const INTERRUPTED = 130;

/**
 * Runs to the end, or to a signal that ends programs (Ctrl-C, a closed terminal,
 * kill), which aborts. What it throws is one line.
 *
 * @param name of the program, before that line
 * @returns an exit code
 */
export async function untilInterrupted(
  name: string,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const stop = (): void => controller.abort(new Error("interrupted"));
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    const code = await work(controller.signal);
    return controller.signal.aborted ? INTERRUPTED : code;
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : error}`);
    return controller.signal.aborted ? INTERRUPTED : 1;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
  }
}

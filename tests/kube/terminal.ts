/**
 * How the programs around a cluster meet a terminal.
 *
 * @module
 */

const INTERRUPTED = 130;

/** Runs to the end or to a signal that ends programs, which aborts. @returns an exit code */
export async function untilInterrupted(
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
    console.error(`kube: ${error instanceof Error ? error.message : error}`);
    return controller.signal.aborted ? INTERRUPTED : 1;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
  }
}

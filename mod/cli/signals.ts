/**
 * The signals that end a program or tell it something, as promises and abort signals.
 *
 * @module
 */

export interface Stop extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborted by SIGTERM and SIGINT, or by those. */
export function stopOnSignal(
  stopping: (name: string) => void,
  names: readonly Deno.Signal[] = ["SIGTERM", "SIGINT"],
): Stop {
  const controller = new AbortController();
  const ends = names.map((name) =>
    listen(name, () => {
      stopping(name);
      controller.abort();
    })
  );
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const end of ends) end[Symbol.dispose]();
    },
  };
}

/** SIGHUP, as often as it comes; those that come while nobody waits are one. */
export class Hangups implements Disposable {
  readonly #listener: Disposable;
  #next = Promise.withResolvers<void>();

  /** A terminal that goes away sends SIGHUP too, and ends the process as ever. */
  constructor(options: { readonly terminal: boolean }) {
    this.#listener = options.terminal
      ? { [Symbol.dispose]: () => {} }
      : listen("SIGHUP", () => this.#next.resolve());
  }

  async next(): Promise<void> {
    await this.#next.promise;
    this.#next = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}

function listen(name: Deno.Signal, listener: () => void): Disposable {
  Deno.addSignalListener(name, listener);
  return {
    [Symbol.dispose]: () => Deno.removeSignalListener(name, listener),
  };
}

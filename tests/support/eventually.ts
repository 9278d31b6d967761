/**
 * Waiting for what another party does: until it is so, or a deadline.
 *
 * @module
 */

export interface EventuallyOptions {
  /** Milliseconds. Default 5,000. */
  readonly within?: number;
  /** For the message. */
  readonly what?: string;
}

/** @throws {Error} when it is not so within the time */
export async function eventually(
  isSo: () => boolean,
  options: EventuallyOptions = {},
): Promise<void> {
  const { within = 5_000, what = "what was waited for" } = options;
  const end = performance.now() + within;
  while (!isSo()) {
    if (performance.now() > end) {
      throw new Error(`Cannot see ${what} within ${within} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

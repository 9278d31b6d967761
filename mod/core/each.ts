/**
 * Work on many things, a few at a time.
 *
 * @module
 */

/**
 * Resolves when `work` is done with all items, or none is begun any more because
 * of the abort. Rejects with the first error of `work`, while the others go on.
 */
export async function forEachFew<T>(
  items: Iterable<T>,
  { atOnce, signal }: {
    readonly atOnce: number;
    readonly signal: AbortSignal;
  },
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items].values();
  const worker = async (): Promise<void> => {
    for (const item of left) {
      if (signal.aborted) return;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

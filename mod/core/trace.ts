/**
 * What the agent tells of its work to whoever traces it: spans, each with a
 * beginning, an end, counts, and a parent. Where nobody traces, `UNTRACED` takes
 * the tracer's place, and does nothing.
 *
 * @module
 */

import { errorText } from "./errors.ts";

/**
 * Counts, and words of our own: never a key, and nothing that another Node says
 * of itself.
 */
export type SpanFacts = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  set(facts: SpanFacts): void;
  /** Something is amiss, in a sentence. */
  fail(reason: string): void;
  /** Spans that the work opens are children of this one. */
  within<T>(work: () => T): T;
  /** To be called once, after all else. */
  end(): void;
}

export interface Tracer {
  /** `root`: the first of a trace of its own, whoever calls. */
  open(name: string, options?: { readonly root: boolean }): Span;
}

const NO_SPAN: Span = {
  set: () => {},
  fail: () => {},
  within: (work) => work(),
  end: () => {},
};

export const UNTRACED: Tracer = { open: () => NO_SPAN };

/** The span is over when the work is; what it throws is a failure of both. */
export async function inSpan<T>(
  span: Span,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  try {
    return await span.within(() => work(span));
  } catch (error) {
    span.fail(errorText(error));
    throw error;
  } finally {
    span.end();
  }
}

/**
 * A tracer that keeps what it hears: who was whose child, and what was told.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { SpanFacts, Tracer } from "../../mod/core/trace.ts";

export class RecordedSpan {
  readonly name: string;
  readonly parent: RecordedSpan | undefined;
  readonly facts: Record<string, SpanFacts[string]> = {};
  failure: string | undefined;
  /** How often: once is right. */
  ends = 0;

  constructor(name: string, parent: RecordedSpan | undefined) {
    this.name = name;
    this.parent = parent;
  }
}

export class RecordedSpans implements Tracer {
  readonly spans: RecordedSpan[] = [];
  readonly #inside = new AsyncLocalStorage<RecordedSpan>();

  open(name: string, { root } = { root: false }): ReturnType<Tracer["open"]> {
    const parent = root ? undefined : this.#inside.getStore();
    const span = new RecordedSpan(name, parent);
    this.spans.push(span);
    return {
      set: (facts) => void Object.assign(span.facts, facts),
      fail: (reason) => void (span.failure = reason),
      within: (work) => this.#inside.run(span, work),
      end: () => void span.ends++,
    };
  }

  /** What there has been since the last call, in the order of beginnings. */
  take(): readonly RecordedSpan[] {
    return this.spans.splice(0);
  }
}

/** "turn" and, indented, what was done in it. */
export function outline(spans: readonly RecordedSpan[]): readonly string[] {
  return spans.map(({ name, parent }) =>
    parent === undefined ? name : `  ${parent.name} > ${name}`
  );
}

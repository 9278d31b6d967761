/**
 * Spans by Deno's own OpenTelemetry, which sends them where its environment says
 * (`OTEL_DENO=true`, `OTEL_EXPORTER_OTLP_ENDPOINT` and so on). It is reached as
 * the packages of OpenTelemetry for JavaScript reach it, of which none is needed.
 *
 * Sending is a thread of Deno's own, with a queue of bounded size: what nobody
 * takes is dropped, and the agent never waits for it.
 *
 * @module
 */

import type { Span, SpanFacts, Tracer } from "../core/trace.ts";

/** Where Deno puts it (opentelemetry-js, api/src/internal/global-utils.ts). */
const API = Symbol.for("opentelemetry.js.api.1");

/** enum SpanStatusCode (opentelemetry-js, api/src/trace/status.ts) */
const ERROR = 2;

interface OtelSpan {
  setAttribute(name: string, value: string | boolean | number | bigint): void;
  setStatus(status: { readonly code: number; readonly message: string }): void;
  end(): void;
}

interface OtelApi {
  readonly trace?: {
    getTracer(name: string, version: string): {
      startActiveSpan<T>(
        name: string,
        options: { readonly root: boolean },
        work: (span: OtelSpan) => T,
      ): T;
    };
  };
  readonly context?: {
    active(): unknown;
    with<T>(context: unknown, work: () => T): T;
  };
}

export interface TracingOptions {
  readonly version: string;
  /** Told of by the first span of each trace, under these names. */
  readonly place: Readonly<Record<string, string>>;
}

/** @returns `undefined`: nobody traces */
export function openTracer(
  { place, version }: TracingOptions,
): Tracer | undefined {
  const { context, trace } = (globalThis as { [API]?: OtelApi })[API] ?? {};
  if (trace === undefined || context === undefined) return undefined;
  const tracer = trace.getTracer("clusternet", version);
  return {
    open: (name, { root } = { root: false }) =>
      tracer.startActiveSpan(name, { root }, (span) => {
        const inside = context.active();
        if (root) setAll(span, place);
        return {
          set: (facts) => setAll(span, prefixed(facts)),
          fail: (message) => span.setStatus({ code: ERROR, message }),
          within: (work) => context.with(inside, work),
          end: () => span.end(),
        } satisfies Span;
      }),
  };
}

function prefixed(facts: SpanFacts): SpanFacts {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [`clusternet.${name}`, value]),
  );
}

function setAll(span: OtelSpan, facts: SpanFacts): void {
  for (const [name, value] of Object.entries(facts)) {
    // Else each count would go out as a fraction.
    span.setAttribute(name, Number.isInteger(value) ? BigInt(value) : value);
  }
}

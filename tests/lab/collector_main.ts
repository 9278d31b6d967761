/**
 * A collector of traces as a program in a node's namespace: takes OTLP over HTTP,
 * in protobuf or as JSON, and prints each span as a line.
 * A second port is that of a collector which takes every connection and never
 * says a word.
 *
 *     deno run -A tests/lab/collector_main.ts --port 4318 --silent-port 4319
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { CollectedSpan } from "./collector.ts";
import { traceRequest } from "./otlp_protobuf.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "4318" },
    "silent-port": { type: "string", default: "4319" },
  },
});

const LOOPBACK = "127.0.0.1";

/** OTLP 1.0, "Binary Protobuf Encoding" */
const PROTOBUF = "application/x-protobuf";

/** opentelemetry-proto, trace/v1/trace.proto as JSON: what is read of it. In protobuf nothing is sent that is empty, or 0. */
interface Traces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly OtlpSpan[];
    }[];
  }[];
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly Attribute[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, string | number | boolean>>;
}

/** 64-bit integers are strings in JSON. */
function valuesOf(
  attributes: readonly Attribute[] = [],
): CollectedSpan["attributes"] {
  return Object.fromEntries(attributes.map(({ key, value }) => {
    const [[kind, one] = ["", ""]] = Object.entries(value);
    return [key, kind === "intValue" ? Number(one) : one];
  }));
}

function* spansOf(
  { resourceSpans }: Traces,
  encoding: CollectedSpan["encoding"],
): Generator<CollectedSpan> {
  for (const { resource, scopeSpans } of resourceSpans) {
    for (const { scope, spans } of scopeSpans) {
      for (const span of spans) {
        yield {
          encoding,
          scope: scope.name,
          name: span.name,
          trace: span.traceId,
          id: span.spanId,
          parent: span.parentSpanId ?? "",
          milliseconds: Number(
            BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano),
          ) /
            1e6,
          error: span.status?.code === 2
            ? span.status.message ?? ""
            : undefined,
          attributes: valuesOf(span.attributes),
          resource: valuesOf(resource.attributes),
        };
      }
    }
  }
}

Deno.serve(
  {
    hostname: LOOPBACK,
    port: Number(values.port),
    onListen: () => console.log("ready"),
  },
  async (request) => {
    const type = request.headers.get("content-type") ?? "";
    const bytes = await request.bytes();
    const isProtobuf = type === PROTOBUF;
    if (new URL(request.url).pathname === "/v1/traces") {
      const body = isProtobuf
        ? traceRequest(bytes)
        : JSON.parse(new TextDecoder().decode(bytes));
      const encoding = isProtobuf ? "protobuf" : "json";
      for (const span of spansOf(body as Traces, encoding)) {
        console.log(`span ${JSON.stringify(span)}`);
      }
    }
    // An empty message is one of no bytes.
    return isProtobuf
      ? new Response(null, { headers: { "content-type": PROTOBUF } })
      : Response.json({});
  },
);

const silent: Deno.Conn[] = [];
for await (
  const connection of Deno.listen({
    ...{ hostname: LOOPBACK, port: Number(values["silent-port"]) },
  })
) {
  silent.push(connection);
  console.log(`silent ${silent.length}`);
}

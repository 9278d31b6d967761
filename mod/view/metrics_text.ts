/**
 * Metrics as text: Prometheus' format (version 0.0.4) and OpenMetrics 1.0
 * (openmetrics.io), which differ in what a counter is called, in units and in
 * how they end. Whatever a label's value is, it stays one value on one line.
 *
 * @module
 */

export type MetricsFormat = "prometheus" | "openmetrics";

export const METRICS_TYPES: Readonly<Record<MetricsFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

export interface Family {
  /** As people ask for it: counters end in "_total", infos in "_info". */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "info";
  /** The end of the name, before any "_total": "seconds", "bytes". */
  readonly unit?: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** Of a histogram: "_bucket", "_sum" or "_count". */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { type Family, metricsText } from "./metrics_text.ts";
 *
 * const family: Family = {
 *   ...{ name: "rings_total", type: "counter", help: "Rings of a bell" },
 *   samples: [{ labels: { bell: 'the "big" one' }, value: 3 }],
 * };
 * assert.equal(
 *   metricsText([family], "openmetrics"),
 *   '# TYPE rings counter\n# HELP rings Rings of a bell\n' +
 *     'rings_total{bell="the \\"big\\" one"} 3\n# EOF\n',
 * );
 * ```
 */
export function metricsText(
  families: Iterable<Family>,
  format: MetricsFormat,
): string {
  const lines: string[] = [];
  for (const family of families) {
    const { name, type, unit } = family;
    const open = format === "openmetrics";
    const title = open ? name.replace(/_(total|info)$/, "") : name;
    const shown = !open && type === "info" ? "gauge" : type;
    lines.push(`# TYPE ${title} ${shown}`);
    if (open && unit !== undefined) lines.push(`# UNIT ${title} ${unit}`);
    lines.push(`# HELP ${title} ${escaped(family.help, open)}`);
    for (const { labels = {}, suffix = "", value } of family.samples) {
      lines.push(`${name}${suffix}${labelText(labels)} ${numberText(value)}`);
    }
  }
  if (format === "openmetrics") lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${escaped(value, true)}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string, quotes: boolean): string {
  return text.toWellFormed().replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
    .replaceAll('"', quotes ? '\\"' : '"');
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}

/** What the client asked for (RFC 9110, section 12.5.1). */
export function wantedFormat(accept: string): MetricsFormat {
  let open = 0;
  let plain = 0;
  for (const range of accept.toLowerCase().split(",")) {
    const [type, ...parameters] = range.split(";").map((part) => part.trim());
    const weight = weightOf(parameters);
    if (type === "application/openmetrics-text") {
      if (isKnownVersion(parameters)) open = Math.max(open, weight);
    } else if (type === "text/plain") plain = Math.max(plain, weight);
  }
  return open > 0 && open >= plain ? "openmetrics" : "prometheus";
}

function weightOf(parameters: readonly string[]): number {
  const text = parameters.find((one) => one.startsWith("q="))?.slice(2);
  const weight = text === undefined ? 1 : Number(text);
  return weight >= 0 && weight <= 1 ? weight : 0;
}

function isKnownVersion(parameters: readonly string[]): boolean {
  const version = parameters.find((one) => one.startsWith("version="));
  return version === undefined || version === "version=1.0.0";
}

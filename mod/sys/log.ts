/**
 * Where log lines go: standard error, as text for people, logfmt or JSON for
 * programs, one line each whatever is in them.
 *
 *     2026-11-22T15:50:39.123Z warn  Cannot use Node: no podCIDRs node=n3
 *     time=2026-11-22T15:50:39.123Z level=warn message="Cannot use Node: …" node=n3
 *     {"time":"2026-11-22T15:50:39.123Z","level":"warn","message":"…","node":"n3"}
 *
 * Writing never throws and never blocks: lines wait in a queue of bounded size
 * while whoever reads them does not, and what does not fit is counted and said
 * when there is room again. `flush()` before the process ends.
 *
 * @module
 */

import type { Counters } from "../core/counters.ts";
import type { Log, LogLevel } from "../core/log.ts";

/** Any names are written; the agent's own are those of `LogFields`. */
export type Fields = Readonly<
  Record<string, string | number | boolean | undefined>
>;

/** UTF-16 units of a message or of one value; the rest is cut. */
const VALUE_LIMIT = 4_096;

/** UTF-16 units of all fields of a line together; those that come after are left out. */
const FIELDS_LIMIT = 16_384;

/** UTF-16 units that wait to be written. */
const QUEUE_LIMIT = 1024 * 1024;

const SEVERITY: Readonly<Record<LogLevel, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
};

/** sd-daemon(3): what a line begins with to tell journald its priority. */
const JOURNAL_PREFIX: Readonly<Record<LogLevel, string>> = {
  debug: "<7>",
  info: "<6>",
  warn: "<4>",
  error: "<3>",
};

export interface LogLine {
  readonly time: Date;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Fields;
}

export interface LogOptions {
  readonly format: "text" | "logfmt" | "json";
  /** Lines below it are dropped. */
  readonly level: LogLevel;
  /** journald reads (JOURNAL_STREAM is set): priorities instead of times, in text. */
  readonly journal?: boolean;
  /** Where each line is counted. */
  readonly counters?: Counters;
  readonly now?: () => Date;
  /** Standard error by default; writes some of the bytes and says how many. */
  readonly sink?: (bytes: Uint8Array) => Promise<number>;
}

export class LogWriter implements Log {
  readonly #options: LogOptions;
  readonly #sink: (bytes: Uint8Array) => Promise<number>;
  #queue: string[] = [];
  #queued = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#sink = options.sink ?? ((bytes) => Deno.stderr.write(bytes));
  }

  debug(message: string, fields: Fields = {}): void {
    this.#log("debug", { message, fields });
  }

  info(message: string, fields: Fields = {}): void {
    this.#log("info", { message, fields });
  }

  warn(message: string, fields: Fields = {}): void {
    this.#log("warn", { message, fields });
  }

  error(message: string, fields: Fields = {}): void {
    this.#log("error", { message, fields });
  }

  /** Resolves when all is written, or after that time. Never rejects. */
  async flush(milliseconds = 1_000): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, milliseconds);
    await Promise.race([this.#writing, late.promise]);
    clearTimeout(timer);
  }

  #log(
    level: LogLevel,
    said: { readonly message: string; readonly fields: Fields },
  ): void {
    if (SEVERITY[level] < SEVERITY[this.#options.level]) return;
    const { counters, now = () => new Date() } = this.#options;
    counters?.add("log-lines", level);
    this.#enqueue(this.#text({ time: now(), level, ...said }));
    // Lines of one turn of the event loop are one write.
    this.#writing ??= Promise.resolve().then(() => this.#drain());
  }

  #text(line: LogLine): string {
    const { format, journal = false } = this.#options;
    switch (format) {
      case "text":
        return textLine(line, { journal });
      case "logfmt":
        return logfmtLine(line);
      case "json":
        return jsonLine(line);
    }
  }

  #enqueue(line: string): void {
    if (this.#queued + line.length > QUEUE_LIMIT) {
      this.#lost++;
      return;
    }
    this.#queue.push(line, "\n");
    this.#queued += line.length + 1;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const bytes = new TextEncoder().encode(this.#queue.join(""));
      this.#queue = [];
      this.#queued = 0;
      try {
        for (let at = 0; at < bytes.length;) {
          at += await this.#sink(bytes.subarray(at));
        }
      } catch { /* nobody reads any more: nobody to tell, either */ }
      if (this.#lost > 0) {
        const message =
          `Lost ${this.#lost} log lines: nobody read them in time`;
        this.#lost = 0;
        const { now = () => new Date() } = this.#options;
        const line = {
          time: now(),
          level: "warn",
          message,
          fields: { event: "lines-lost" },
        } as const;
        this.#enqueue(this.#text(line));
      }
    }
    this.#writing = undefined;
  }
}

/** Time, level, sentence, then `name=value` for each field but the event. */
export function textLine(
  line: LogLine,
  options: { readonly journal: boolean },
): string {
  const { level } = line;
  const head = options.journal
    ? JOURNAL_PREFIX[level]
    : `${line.time.toISOString()} ${level.padEnd(5)} `;
  // The sentence says it.
  const { event: _event, ...shown } = line.fields;
  const fields = fitting(
    shown,
    (name, value) => ` ${name}=${textValue(value)}`,
  );
  return `${head}${escape(cut(line.message))}${fields.join("")}`;
}

/** `name=value` for everything, quoted as JSON quotes where it is not plain. */
export function logfmtLine(line: LogLine): string {
  const fields = fitting(
    line.fields,
    (name, value) => ` ${ownName(name)}=${textValue(value)}`,
  );
  const time = line.time.toISOString();
  const message = textValue(line.message);
  return `time=${time} level=${line.level} message=${message}${
    fields.join("")
  }`;
}

/** One JSON object (RFC 8259), whatever is in the fields. */
export function jsonLine(line: LogLine): string {
  const fields = fitting(
    line.fields,
    (name, value) => `,${JSON.stringify(ownName(name))}:${jsonValue(value)}`,
  );
  const time = JSON.stringify(line.time.toISOString());
  const message = jsonValue(line.message);
  return `{"time":${time},"level":"${line.level}","message":${message}${
    fields.join("")
  }}`;
}

type FieldValue = string | number | boolean;

/** The fields in their order, as long as they fit. */
function fitting(
  fields: Fields,
  text: (name: string, value: FieldValue) => string,
): readonly string[] {
  const parts: string[] = [];
  let left = FIELDS_LIMIT;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const part = text(name.replaceAll(/[^A-Za-z0-9_.-]/g, "_"), value);
    left -= part.length;
    if (left < 0) break;
    parts.push(part);
  }
  return parts;
}

/** Beside the three names that every line has. */
function ownName(name: string): string {
  return ["time", "level", "message"].includes(name) ? `${name}_` : name;
}

function textValue(value: FieldValue): string {
  if (typeof value !== "string") return String(value);
  const text = cut(value);
  return /^[\w.:/@+,%[\]-]+$/.test(text)
    ? text
    : `"${escape(text.replaceAll(/["\\]/g, "\\$&"))}"`;
}

function jsonValue(value: FieldValue): string {
  if (typeof value === "string") {
    // JSON.stringify() leaves some that end a line or turn it round.
    return JSON.stringify(cut(value)).replaceAll(HARMFUL, unicodeEscape);
  }
  return typeof value === "number" && !Number.isFinite(value)
    ? `"${value}"`
    : String(value);
}

/** Controls, line and paragraph separators, and what changes the direction of writing. */
const HARMFUL =
  /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

function escape(text: string): string {
  return text.replaceAll(HARMFUL, (char) => {
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    return char === "\r" ? "\\r" : unicodeEscape(char);
  });
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function cut(text: string): string {
  const short = text.length > VALUE_LIMIT
    ? `${text.slice(0, VALUE_LIMIT - 1)}…`
    : text;
  return short.toWellFormed();
}

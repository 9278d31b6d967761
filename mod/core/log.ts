/**
 * What a log line is, apart from where it goes: a level, a sentence and fields
 * with stable names, of which `event` says what has happened. `docs/logs.md` has
 * them all; the writer is `sys/log.ts`.
 *
 * @module
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What has happened, for programs. */
export type LogEvent =
  | "api-back"
  | "api-failed"
  | "condition-set"
  | "degraded"
  | "event-failed"
  | "key-published"
  | "key-ready"
  | "lines-lost"
  | "node-unusable"
  | "node-usable"
  | "noted"
  | "notify-failed"
  | "peers-changed"
  | "progress"
  | "ready"
  | "reload"
  | "reload-refused"
  | "serve-failed"
  | "state-unwritten"
  | "step"
  | "stopping"
  | "task-restarted"
  | "wireguard-chosen";

/** Numbers have their unit in the name. A type, not an interface: any writer of names and values takes it. */
export type LogFields = {
  /** Public key, before and now. */
  readonly before?: string | undefined;
  readonly done?: number | undefined;
  readonly key?: string | undefined;
  readonly node?: string | undefined;
  readonly nodes?: number | undefined;
  readonly pause_seconds?: number | undefined;
  readonly peer?: boolean | undefined;
  readonly peers?: number | undefined;
  readonly reason?: string | undefined;
  readonly step?: string | undefined;
  readonly task?: string | undefined;
  readonly total?: number | undefined;
};

export type LogSaid = LogFields & { readonly event: LogEvent };

/** Every line that people see without asking for more says what has happened. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, said: LogSaid): void;
  warn(message: string, said: LogSaid): void;
  error(message: string, said: LogSaid): void;
}

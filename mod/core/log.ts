/**
 * What a log line is, apart from where it goes: a level, a sentence and fields
 * with stable names. The writer is `sys/log.ts`.
 *
 * @module
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

export type LogFields = Readonly<
  Record<string, string | number | boolean | undefined>
>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

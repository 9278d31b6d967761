/**
 * `metav1.Status`: how the API server says that something did not work, as the
 * answer to a request or as an ERROR event of a watch that began well.
 *
 * @module
 */

import { listOf, property, textOf } from "./json.ts";

export interface Status {
  /** HTTP status; 0: it does not say. */
  readonly code: number;
  /** "Expired", "TooManyRequests", …: `metav1.StatusReason`; may be empty. */
  readonly reason: string;
  readonly message: string;
  /** `details.retryAfterSeconds`; `undefined`: it does not say. */
  readonly retryAfterSeconds: number | undefined;
  readonly causes: readonly StatusCause[];
}

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
}

export const MESSAGE_LIMIT = 1000;
export const CAUSES_LIMIT = 8;

/** @returns `undefined` for what is no Status */
export function statusFromJson(value: unknown): Status | undefined {
  if (property(value, "kind") !== "Status") return undefined;
  const details = property(value, "details");
  const causes = listOf(property(details, "causes")).slice(0, CAUSES_LIMIT);
  return {
    code: whole(property(value, "code")) ?? 0,
    reason: textOf(property(value, "reason")) ?? "",
    message: textOf(property(value, "message"), MESSAGE_LIMIT) ?? "",
    retryAfterSeconds: whole(property(details, "retryAfterSeconds")),
    causes: causes.map((cause) => ({
      reason: textOf(property(cause, "reason")) ?? "",
      message: textOf(property(cause, "message")) ?? "",
    })),
  };
}

/** The state or history that was asked for is gone: list anew. */
export function isExpired(status: Status): boolean {
  return status.code === 410 || status.reason === "Expired" ||
    status.reason === "Gone";
}

/**
 * This server has not yet seen the version that was asked for. It has said so
 * in three ways: by the reason of a cause (since 1.18.6), by the message of a
 * cause (1.17.0 to 1.18.5), by its own message alone (before).
 */
export function isTooLarge(status: Status): boolean {
  const text = "Too large resource version";
  if (
    status.causes.some(({ reason }) => reason === "ResourceVersionTooLarge")
  ) {
    return true;
  }
  if (status.code !== 504 && status.reason !== "Timeout") return false;
  return status.causes.some(({ message }) => message === text) ||
    status.message.includes(text);
}

/** An object of the history cannot be read any more: only a list tells what is there. */
export function isUnreadable(status: Status): boolean {
  return status.reason === "StorageReadError";
}

/** Wait, and ask the same again. */
export function isTooManyRequests(status: Status): boolean {
  return status.code === 429 || status.reason === "TooManyRequests";
}

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? value
    : undefined;
}

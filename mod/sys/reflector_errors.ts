/**
 * What an error means for a reflector: the history is gone, a watch is not
 * liked, or a list has to be asked for in another way.
 *
 * @module
 */

import {
  isExpired,
  isTooLarge,
  isTooManyRequests,
  isUnreadable,
} from "../wire/status_json.ts";
import { ApiError } from "./kube_error.ts";

/** The server cannot go on from our version: list anew. */
export function historyIsGone(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  const { status } = error;
  return isExpired(status) || isTooLarge(status) || isUnreadable(status);
}

/**
 * May a list in pages do where a streamed one did not? Not where the server is
 * away, busy, or would refuse that just as well.
 */
export function fallsBackToPages(error: unknown): boolean {
  return error instanceof ApiError && !isAboutUs(error);
}

/** The watch itself is not liked, or cannot be read: not its client, not its load. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof SyntaxError) return true;
  return error instanceof ApiError && !isAboutUs(error);
}

function isAboutUs({ status }: ApiError): boolean {
  return status.code === 401 || status.code === 403 ||
    isTooManyRequests(status);
}

/** For a metric. */
export function restartReason(error: unknown): "gone" | "refused" | "failed" {
  if (historyIsGone(error)) return "gone";
  return error instanceof ApiError ? "refused" : "failed";
}

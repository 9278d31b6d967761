/**
 * The errors that a caller tells apart. All others are plain `Error`s whose
 * message is the sentence for a person.
 *
 * @module
 */

import type { ProblemReason } from "./problem.ts";

export interface ProblemOptions extends ErrorOptions {
  /** What it means for the node's network, where that has a word of its own. */
  readonly reason?: ProblemReason | undefined;
}

/** An error that may know its reason: `problemOf()` reads it. */
export class ProblemError extends Error {
  override readonly name: string = "ProblemError";
  readonly reason: ProblemReason | undefined;

  constructor(message: string, options: ProblemOptions = {}) {
    super(message, options);
    this.reason = options.reason;
  }
}

/** The kernel (or a userspace program speaking for it) refused an operation. */
export class KernelError extends ProblemError {
  override readonly name = "KernelError";
  /** Positive, include/uapi/asm-generic/errno-base.h; see `ERRNO`. */
  readonly errno: number;

  /** @param message "Cannot add route 10.0.0.0/16: Network is down" */
  constructor(message: string, errno: number, options?: ProblemOptions) {
    super(message, options);
    this.errno = errno;
  }
}

/**
 * Nothing that waiting mends: the agent says the sentence and exits.
 * `exitCode` 2 is for what the command line or configuration got wrong, 1 for the rest.
 */
export class FatalError extends ProblemError {
  override readonly name = "FatalError";
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2, options?: ProblemOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** The numbers that this program tells apart (include/uapi/asm-generic/errno*.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EROFS: 30,
  ELOOP: 40,
  EMSGSIZE: 90,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ENETDOWN: 100,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
} as const;

/** The messages of an error and of its causes, outermost first, joined by ": ". */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let at = error; at !== undefined && parts.length < 8;) {
    const text = at instanceof Error ? at.message : String(at);
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(": ");
}

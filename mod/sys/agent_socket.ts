/**
 * The unix socket by which the commands of this executable ask the agent of this
 * machine: `/run/clusternet/LINK.sock`, mode 0600, in a directory of mode 0700.
 *
 * @module
 */

import { ERRNO, errorText, FatalError, KernelError } from "../core/errors.ts";
import { notAStatus, type Status } from "../core/status.ts";
import { openOrMakeDirectory, removeIfThere } from "./directory.ts";
import { LOCK_DIRECTORY } from "./lock.ts";
import type { Shim } from "./shim.ts";

/** Whoever holds the link's lock is the one that listens. */
export function socketOf(link: string): string {
  return `${LOCK_DIRECTORY}/${link}.sock`;
}

/**
 * A socket that is there is that of an agent that has ended: the link's lock is
 * ours.
 *
 * @throws {Error} where it cannot be made
 */
export function listenOn(
  path: string,
  shim: Shim,
): Deno.Listener<Deno.UnixConn> {
  using _directory = openOrMakeDirectory(LOCK_DIRECTORY, shim);
  removeIfThere(path);
  const listener = Deno.listen({ transport: "unix", path });
  try {
    Deno.chmodSync(path, 0o600);
  } catch (error) {
    listener.close();
    throw error;
  }
  return listener;
}

/** Does one listen there, that this process may ask? */
export async function hasAgent(link: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: socketOf(link) })).close();
    return true;
  } catch {
    return false;
  }
}

export interface AskOptions {
  readonly link: string;
  /** With a query. */
  readonly path: string;
  readonly signal?: AbortSignal;
}

/**
 * What the agent of this machine answers.
 *
 * @throws {FatalError} one sentence, exit code 1: none runs, or it may not be asked
 */
export async function askAgent(
  { link, path, signal }: AskOptions,
): Promise<string> {
  const socket = socketOf(link);
  await refuseWithoutAgent(link, socket);
  const client = Deno.createHttpClient({
    proxy: { transport: "unix", path: socket },
  });
  try {
    // An address: of a name the runtime asks the name server, for all the socket.
    const response = await fetch(`http://127.0.0.1${path}`, {
      client,
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.text();
    if (response.ok) return text;
    throw new FatalError(
      `The agent cannot answer ${path}: ${text.trimEnd()}`,
      1,
    );
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    throw new FatalError(
      `The agent on ${socket} gives no answer: ${errorText(cause)}`,
      1,
      { cause },
    );
  } finally {
    client.close();
  }
}

/** @throws {FatalError} as `askAgent()`, and where it is of another version */
export async function askStatus(
  { link, query = "", signal }: {
    readonly link: string;
    /** "probe=1" */
    readonly query?: string;
    readonly signal?: AbortSignal;
  },
): Promise<Status> {
  const path = query === "" ? "/v1/status" : `/v1/status?${query}`;
  const options = signal === undefined ? {} : { signal };
  const text = await askAgent({ link, path, ...options });
  const value: unknown = JSON.parse(text);
  const why = notAStatus(value);
  if (why === undefined) return value as Status;
  throw new FatalError(`Cannot read the agent's status: ${why}`, 1);
}

/** A connection that is closed at once: why it cannot be had says more than fetch does. */
async function refuseWithoutAgent(link: string, path: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (cause) {
    throw new FatalError(whyNot(link, path, cause), 1, { cause });
  }
}

function whyNot(link: string, path: string, cause: unknown): string {
  if (
    cause instanceof Deno.errors.NotFound ||
    cause instanceof Deno.errors.ConnectionRefused
  ) {
    return `No agent runs on this machine for link ${link} (nothing listens on ${path}): ` +
      "`systemctl status clusternet`, or look at its pod; --interface for another link";
  }
  if (
    cause instanceof Deno.errors.PermissionDenied ||
    cause instanceof Deno.errors.NotCapable ||
    cause instanceof KernelError && cause.errno === ERRNO.EACCES
  ) {
    return `Cannot ask the agent: no permission for ${path}; run as root (sudo)`;
  }
  return `Cannot ask the agent on ${path}: ${errorText(cause)}`;
}

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
  // A directory that somebody else has made (a kubelet, for a pod) may be open to
  // all: the socket is made in one that is not, and moved when its mode is right.
  const folder = `${path}.new`;
  const made = `${folder}/sock`;
  removeIfThere(made);
  removeIfThere(folder);
  Deno.mkdirSync(folder, { mode: 0o700 });
  const listener = Deno.listen({ transport: "unix", path: made });
  try {
    Deno.chmodSync(made, 0o600);
    Deno.renameSync(made, path);
    Deno.removeSync(folder);
    return listener;
  } catch (error) {
    listener.close();
    throw error;
  }
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

/** Milliseconds for an answer: probes take up to six seconds of it. */
const ANSWER_MS = 15_000;

/** Bytes of an answer: the status of 5,000 Nodes is some 3 MB. */
const ANSWER_LIMIT = 32 * 1024 * 1024;

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
  const late = AbortSignal.timeout(ANSWER_MS);
  try {
    // An address: of a name the runtime asks the name server, for all the socket.
    const response = await fetch(`http://127.0.0.1${path}`, {
      client,
      signal: AbortSignal.any([late, ...signal === undefined ? [] : [signal]]),
    });
    const text = await boundedText(response);
    if (response.ok) return text;
    throw new FatalError(
      `The agent cannot answer ${path}: ${text.trimEnd()}`,
      1,
    );
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    const why = late.aborted
      ? `it has not ended within ${
        ANSWER_MS / 1_000
      } s; is it stopped, or no agent?`
      : errorText(cause);
    throw new FatalError(
      `The agent on ${socket} gives no answer: ${why}`,
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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch { /* `notAStatus()` says so */ }
  const why = notAStatus(value);
  if (why === undefined) return value as Status;
  throw new FatalError(`Cannot read the agent's status: ${why}`, 1);
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let length = 0;
  let text = "";
  for await (const bytes of response.body ?? []) {
    length += bytes.length;
    if (length > ANSWER_LIMIT) throw new Error("its answer does not end");
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
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

/**
 * What it takes to talk to an API server, read again as it is rotated: at most
 * 60 s old, and at once when the server has refused it.
 *
 * @module
 */

import type { Secret } from "./secret.ts";

/** As read at one time. PEM where it is about TLS. */
export interface Credentials {
  /** Trusted in addition to the runtime's own; empty: the runtime's alone. */
  readonly caCerts: readonly string[];
  readonly clientCert: string | undefined;
  readonly clientKey: Secret | undefined;
  /** The value of the header; `undefined`: none is sent. */
  readonly authorization: Secret | undefined;
  readonly sources: Sources;
}

/** Where each was read, for messages: a file, or the part of one. "": there is none. */
export interface Sources {
  readonly ca: string;
  readonly clientCert: string;
  readonly authorization: string;
}

export interface KubeAccess {
  /** `https://host:port`, perhaps with a path; no slash at the end. */
  readonly server: string;
  readonly proxyUrl: string | undefined;
  /** What names the server, for messages: "--server". */
  readonly serverFrom: string;
  /** Where the credentials come from, for messages. */
  readonly source: string;
  /** Rejects with a sentence where they cannot be read. */
  credentials(): Promise<Credentials>;
  /** The server has refused them: the next are read anew. */
  expire(): void;
}

export const NO_CREDENTIALS: Credentials = {
  caCerts: [],
  clientCert: undefined,
  clientKey: undefined,
  authorization: undefined,
  sources: { ca: "", clientCert: "", authorization: "" },
};

/** The variable that names the API server in a pod; a pod's own value of it wins. */
export const SERVICE_HOST = "KUBERNETES_SERVICE_HOST";

/** Milliseconds after which files are read again. */
const MAX_AGE_MS = 60_000;

export interface AccessOptions {
  readonly server: string;
  readonly proxyUrl: string | undefined;
  readonly serverFrom: string;
  readonly source: string;
  /** Milliseconds, monotonic. */
  now(): number;
  read(): Promise<Credentials>;
}

/** An access whose credentials are those of `read()`, kept for a minute. */
export function refreshing(options: AccessOptions): KubeAccess {
  const { server, proxyUrl, serverFrom, source } = options;
  let last: { readonly at: number; readonly value: Credentials } | undefined;
  let reading: Promise<Credentials> | undefined;
  const read = async (): Promise<Credentials> => {
    try {
      const value = await options.read();
      last = { at: options.now(), value };
      return value;
    } catch (error) {
      // In the middle of a rotation the old ones may still do.
      if (last !== undefined && options.now() - last.at < 2 * MAX_AGE_MS) {
        return last.value;
      }
      throw error;
    } finally {
      reading = undefined;
    }
  };
  return {
    server,
    proxyUrl,
    serverFrom,
    source,
    credentials(): Promise<Credentials> {
      if (last !== undefined && options.now() - last.at < MAX_AGE_MS) {
        return Promise.resolve(last.value);
      }
      reading ??= read();
      return reading;
    },
    expire(): void {
      last = undefined;
    },
  };
}

/** Would a client made for one do for the other? */
export function sameTls(a: Credentials, b: Credentials): boolean {
  return a.caCerts.join() === b.caCerts.join() &&
    a.clientCert === b.clientCert &&
    (a.clientKey === b.clientKey || a.clientKey?.equals(b.clientKey) === true);
}

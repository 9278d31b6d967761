/**
 * What can go wrong between the agent and the API server, as errors that the
 * callers tell apart, each with the sentence for a person.
 *
 * @module
 */

import { isTooManyRequests, type Status } from "../wire/status_json.ts";

/** An operation on Nodes, in words, and the right that it needs. */
export interface Operation {
  /** "list Nodes", "read Node a". */
  readonly what: string;
  /** "nodes list,watch". */
  readonly grant: string;
}

/** The API server answered, and the answer was no. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: Status;
  /** Seconds that the server asked to be left alone for; `undefined`: it did not ask. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    operation: Operation,
    status: Status,
    retryAfterSeconds = status.retryAfterSeconds,
  ) {
    super(sentence(operation, status));
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** There was no answer, or none to the end. The message is the whole sentence. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  /** The runtime's own words, for debugging. */
  readonly detail: string | undefined;

  constructor(message: string, detail?: string) {
    super(message);
    this.detail = detail;
  }
}

function sentence({ what, grant }: Operation, status: Status): string {
  const { code, reason, message } = status;
  const title = [code === 0 ? "" : String(code), reason].filter((part) =>
    part !== ""
  ).join(" ");
  const parts = [`Cannot ${what}`, title, message].filter((part) =>
    part !== ""
  );
  const text = [...new Set(parts)].join(": ");
  const cure = cureOf(status, grant);
  return cure === undefined ? text : `${text}; ${cure}`;
}

function cureOf(status: Status, grant: string): string | undefined {
  if (status.code === 403) return `grant ${grant}`;
  if (status.code === 401) {
    return "check the token or the client certificate: they are read again";
  }
  if (isTooManyRequests(status)) return "waiting as asked";
  return undefined;
}

/** `server` for messages: without a password that somebody put into it. */
export function shownServer(server: string): string {
  return server.replace(/\/\/[^/@]*@/, "//");
}

/** What `fetch` and its stream reject with, in a sentence. */
export function networkError(server: string, error: unknown): NetworkError {
  return new NetworkError(
    `Cannot reach the API server ${shownServer(server)}: ${reasonOf(error)}`,
    textOf(error),
  );
}

/** The runtime's words (they are all that it gives) and ours. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/Connection refused/i, "connection refused"],
  [/Connection reset/i, "connection reset"],
  [/connection closed before message completed/, "connection closed"],
  [/No route to host/i, "no route to host"],
  [/Network is unreachable/i, "network is unreachable"],
  [/timed out/i, "connection timed out"],
  [/dns error|failed to lookup/i, "its name cannot be resolved"],
  [
    /UnknownIssuer|SelfSigned|CaUsedAsEndEntity/,
    "its certificate is not signed by the authority that is trusted here (certificate-authority in the kubeconfig, ca.crt in a pod)",
  ],
  [
    /Expired/i,
    "its certificate has expired (or this machine's clock is wrong)",
  ],
  [
    /NotValidYet|not valid yet/i,
    "its certificate is not valid yet (or this machine's clock is wrong)",
  ],
  [
    /CertificateRequired|certificate required/i,
    "it demands a client certificate",
  ],
  [/InvalidContentType|corrupt message/, "it does not speak TLS on this port"],
  [
    /invalid HTTP version|invalid HTTP/i,
    "it does not speak HTTP on this port (https:// instead of http://?)",
  ],
  [/blocked/, "the runtime refuses to connect to this port"],
];

function reasonOf(error: unknown): string {
  const text = textOf(error);
  const name = /not valid for name[^;]*/.exec(text);
  if (name !== null) {
    return `its certificate is ${name[0]}`;
  }
  for (const [pattern, words] of REASONS) {
    if (pattern.test(text)) return words;
  }
  return text.slice(text.lastIndexOf("): ") + 1).replace(/^[): ]+/, "");
}

/** With all causes: fetch keeps the reason in its cause. */
function textOf(error: unknown): string {
  const parts: string[] = [];
  for (let at = error; at !== undefined && parts.length < 5;) {
    parts.push(at instanceof Error ? at.message : String(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(": ");
}

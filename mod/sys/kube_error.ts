/**
 * What can go wrong between the agent and the API server, as errors that the
 * callers tell apart, each with the sentence for a person.
 *
 * @module
 */

import { ProblemError, type ProblemOptions } from "../core/errors.ts";
import type { ProblemReason } from "../core/problem.ts";
import { isTooManyRequests, type Status } from "../wire/status_json.ts";
import {
  type Credentials,
  type KubeAccess,
  NO_CREDENTIALS,
  SERVICE_HOST,
} from "./kube_access.ts";
import { certificateCure, forbiddenCure } from "./kube_cure.ts";

/** An operation on Nodes, in words, and the right that it needs. */
export interface Operation {
  /** "list Nodes", "read Node a". */
  readonly what: string;
  /** "nodes list,watch". */
  readonly grant: string;
}

export interface ApiErrorOptions {
  readonly retryAfterSeconds?: number | undefined;
  /** What to do, where more is known than the answer says. */
  readonly cure?: string | undefined;
}

/** The API server answered, and the answer was no. */
export class ApiError extends ProblemError {
  override readonly name = "ApiError";
  readonly status: Status;
  /** Seconds that the server asked to be left alone for; `undefined`: it did not ask. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    operation: Operation,
    status: Status,
    options: ApiErrorOptions = {},
  ) {
    super(sentence(operation, status, options.cure), {
      reason: problemReason(status),
    });
    this.status = status;
    this.retryAfterSeconds = options.retryAfterSeconds ??
      status.retryAfterSeconds;
  }
}

/** There was no answer, or none to the end. The message is the whole sentence. */
export class NetworkError extends ProblemError {
  override readonly name = "NetworkError";
  /** The runtime's own words, for debugging. */
  readonly detail: string | undefined;

  constructor(
    message: string,
    options: ProblemOptions & { readonly detail?: string } = {},
  ) {
    super(message, options);
    this.detail = options.detail;
  }
}

function problemReason({ code }: Status): ProblemReason {
  if (code === 403) return "APIForbidden";
  return code === 401 ? "APIUnauthorized" : "APIServerTrouble";
}

function sentence(
  { what, grant }: Operation,
  status: Status,
  known: string | undefined,
): string {
  const { code, reason, message } = status;
  const title = [code === 0 ? "" : String(code), reason].filter((part) =>
    part !== ""
  ).join(" ");
  const parts = [`Cannot ${what}`, title, message].filter((part) =>
    part !== "" && part !== reason
  );
  const text = [...new Set(parts)].join(": ");
  const cure = known ?? cureOf(status, grant);
  return cure === undefined ? text : `${text}; ${cure}`;
}

function cureOf(status: Status, grant: string): string | undefined {
  if (status.code === 403) return forbiddenCure(status, grant);
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

/** Whom an error is about, and what was shown there. */
export type Party = Pick<KubeAccess, "server" | "serverFrom" | "source">;

/** What `fetch` and its stream reject with, in a sentence. */
export function networkError(
  party: Party,
  error: unknown,
  credentials: Credentials = NO_CREDENTIALS,
): NetworkError {
  const text = textOf(error);
  return new NetworkError(
    `${unreachable(party)}: ${reasonOf(text, party, credentials)}`,
    { reason: "APIServerUnreachable", detail: text },
  );
}

/** The opening of the sentence: "Cannot reach the API server URL (what names it)". */
export function unreachable({ server, serverFrom }: Party): string {
  return `Cannot reach the API server ${shownServer(server)} (${serverFrom})`;
}

/** The runtime's words (they are all that it gives) and ours. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/Connection reset/i, "connection reset"],
  [/connection closed before message completed/, "connection closed"],
  [/InvalidContentType|corrupt message/, "it does not speak TLS on this port"],
  [
    /invalid HTTP version|invalid HTTP/i,
    "it does not speak HTTP on this port (https:// instead of http://?)",
  ],
  [/blocked/, "the runtime refuses to connect to this port"],
];

/** Nobody is there, or no way leads there. */
const AWAY: readonly (readonly [RegExp, string])[] = [
  [/Connection refused/i, "connection refused"],
  [/No route to host/i, "no route to host"],
  [/Network is unreachable/i, "network is unreachable"],
  [/timed out/i, "connection timed out"],
];

function reasonOf(
  text: string,
  party: Party,
  credentials: Credentials,
): string {
  const { server, serverFrom, source } = party;
  const away = AWAY.find(([pattern]) => pattern.test(text));
  if (away !== undefined) return `${away[1]}${awayCure(party)}`;
  if (/dns error|failed to lookup/i.test(text)) {
    const { hostname } = new URL(server);
    return `the name ${hostname} cannot be resolved; see /etc/resolv.conf and /etc/hosts, or give an address instead (--server)`;
  }
  const alert = /received fatal alert: (\w+)/.exec(text)?.[1];
  if (alert === "CertificateRequired") {
    return `it demands a client certificate; name one in ${source}`;
  }
  if (alert !== undefined) {
    const shown = { source, credentials, now: Date.now() };
    const why = certificateCure(shown) ??
      `it does not accept the client certificate ${credentials.sources.clientCert}`;
    return `it ends the connection (${alert}); ${why}`;
  }
  return certificateReason(text, serverFrom, credentials) ??
    REASONS.find(([pattern]) => pattern.test(text))?.[1] ??
    text.slice(text.lastIndexOf("): ") + 1).replace(/^[): ]+/, "");
}

function awayCure({ serverFrom }: Party): string {
  return serverFrom === SERVICE_HOST
    ? `; a Service's address needs kube-proxy: give the pods the API server's own one as ${SERVICE_HOST}`
    : "";
}

/** Why the server's certificate does not count here. */
function certificateReason(
  text: string,
  serverFrom: string,
  { sources }: Credentials,
): string | undefined {
  const [, name, only = ""] =
    /not valid for name ("[^"]*"|[^;]*)(?:; certificate is only valid for (.*))?/
      .exec(text) ?? [];
  if (name !== undefined) {
    const names = only.replaceAll(/(?:DnsName|IpAddress)\(([^)]*)\)/g, "$1");
    const those = names === "" ? "" : ` (only for ${names})`;
    return `its certificate is not valid for name ${name}${those}; give one of its names (${serverFrom}), or let it have this one (kube-apiserver --tls-cert-file; kubeadm: apiServer.certSANs)`;
  }
  if (/UnknownIssuer|SelfSigned|CaUsedAsEndEntity|BadSignature/.test(text)) {
    const authority = sources.ca === ""
      ? "any authority that is trusted here; name its own (certificate-authority in the kubeconfig)"
      : `the authority that is trusted here, ${sources.ca}; put the cluster's there (of kubeadm: /etc/kubernetes/pki/ca.crt)`;
    return `its certificate is not signed by ${authority}`;
  }
  if (/Expired/i.test(text)) {
    return "its certificate has expired (or this machine's clock is wrong); renew it (kube-apiserver --tls-cert-file; kubeadm certs renew apiserver)";
  }
  return /NotValidYet|not valid yet/i.test(text)
    ? "its certificate is not valid yet (or this machine's clock is wrong)"
    : undefined;
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

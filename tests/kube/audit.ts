/**
 * What the API server itself writes down of the requests that it serves: who
 * counts them there counts what has really been asked.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Flags } from "./control_plane.ts";

export interface Served {
  /** "stream" is a streamed list; else the verb. */
  readonly kind: string;
  readonly user: string;
  /** With its query. */
  readonly path: string;
  /** Of the answer. */
  readonly code: number;
  /** When it came: milliseconds since 1970. */
  readonly at: number;
  /** "X509SHA256=…": by that certificate; "JTI=…": by that token. */
  readonly credential: string;
}

const CREDENTIAL = "authentication.kubernetes.io/credential-id";

const POLICY = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{
    level: "Metadata",
    resources: [{ group: "", resources: ["nodes", "nodes/status"] }],
  }, { level: "None" }],
};

/** Flags of a kube-apiserver that keeps such a log in that folder. */
export function auditFlags(folder: string): Flags {
  const policy = join(folder, "audit.json");
  Deno.writeTextFileSync(policy, JSON.stringify(POLICY));
  return {
    "audit-policy-file": policy,
    "audit-log-path": logOf(folder),
    "audit-log-mode": "blocking-strict",
  };
}

function logOf(folder: string): string {
  return join(folder, "audit.jsonl");
}

/** All requests of our client, in the order of their first answers. */
export function servedIn(folder: string): readonly Served[] {
  const seen = new Map<string, Served>();
  for (const line of linesOf(logOf(folder))) {
    const event = JSON.parse(line);
    if (!String(event.userAgent).startsWith("clusternet/")) continue;
    if (seen.has(event.auditID)) continue; // a watch is written twice
    const path = String(event.requestURI);
    seen.set(event.auditID, {
      kind: path.includes("sendInitialEvents") ? "stream" : event.verb,
      user: event.user?.username ?? "",
      path,
      code: event.responseStatus?.code ?? 0,
      at: Date.parse(event.requestReceivedTimestamp),
      credential: event.user?.extra?.[CREDENTIAL]?.[0] ?? "",
    });
  }
  return [...seen.values()];
}

/** Whole ones. */
function linesOf(file: string): readonly string[] {
  return Deno.readTextFileSync(file).split("\n").slice(0, -1);
}

/** In short: "stream", "watch", "watch 429". */
export function shortly({ kind, code }: Served): string {
  return code === 200 ? kind : `${kind} ${code}`;
}

/** What the log calls the first certificate of a PEM text. */
export function credentialOf(pem: string): string {
  const [, text = ""] =
    /-----BEGIN CERTIFICATE-----([^]*?)-----END CERTIFICATE-----/.exec(pem) ??
      [];
  const sum = createHash("sha256").update(Uint8Array.fromBase64(text));
  return `X509SHA256=${sum.digest("hex")}`;
}

/**
 * What a person can do where the API server does not let us in (401), or does
 * not let us do something (403).
 *
 * @module
 */

import type { Status } from "../wire/status_json.ts";
import { type Validity, validityOf } from "../wire/certificate.ts";
import { expiryOf } from "../wire/web_token.ts";
import { utcText } from "../core/clock.ts";
import type { Credentials } from "./kube_access.ts";

/** Who shows what to whom. */
export interface Shown {
  /** Of the credentials: "kubeconfig FILE". */
  readonly source: string;
  readonly credentials: Pick<
    Credentials,
    "clientCert" | "authorization" | "sources"
  >;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const RENEWAL =
  "the kubelet renews its own (rotateCertificates; journalctl -u kubelet says why it did not), kubeadm others (kubeadm certs renew)";

/** The end of the sentence on 401. */
export function unauthorizedCure(shown: Shown): string {
  const { source, credentials: { clientCert, authorization, sources }, now } =
    shown;
  if (clientCert === undefined && authorization === undefined) {
    return `no credentials were shown: name a user with a client certificate or a token in ${source}`;
  }
  const untimely = certificateCure(shown);
  if (untimely !== undefined) return untimely;
  const [, token = ""] = /^Bearer (.*)$/s.exec(authorization?.expose() ?? "") ??
    [];
  const end = expiryOf(token);
  if (end !== undefined && end <= now) {
    return `the token${of(sources.authorization)} expired at ${
      utcText(end)
    }: the kubelet renews those of pods, others have to be made anew`;
  }
  const what = [
    ...(clientCert === undefined ? [] : [
      `the client certificate${
        of(sources.clientCert)
      } (signed by its --client-ca-file?)`,
    ]),
    ...(authorization === undefined ? [] : [
      `the token${of(sources.authorization)} (of this cluster?)`,
    ]),
  ].join(" and ");
  return `it does not accept ${what}: put a good one there, it is read again`;
}

/** What is wrong with the time of the client certificate; `undefined`: nothing. */
export function certificateCure(
  { credentials: { clientCert, sources }, now }: Shown,
): string | undefined {
  const validity: Validity | undefined = clientCert === undefined
    ? undefined
    : validityOf(clientCert);
  if (validity === undefined) return undefined;
  const what = `the client certificate${of(sources.clientCert)}`;
  if (validity.notAfter < now) {
    return `${what} expired at ${utcText(validity.notAfter)}: ${RENEWAL}`;
  }
  if (validity.notBefore > now) {
    return `${what} counts only from ${
      utcText(validity.notBefore)
    } on: is this machine's clock right?`;
  }
  return undefined;
}

const HOST_SERVICE = "kubectl apply -k deploy/kustomize/overlays/host-service";
const PODS = "kubectl apply -k deploy/kustomize/base";

/**
 * The end of the sentence on 403. `undefined`: it says itself what it is about,
 * and it is no right that lacks.
 *
 * @param grant "nodes list,watch"
 */
export function forbiddenCure(
  { message }: Pick<Status, "message">,
  grant: string,
): string | undefined {
  // Node authorizer and NodeRestriction, of another Node than the user's own.
  if (/ cannot read '|is not allowed to modify node/.test(message)) {
    return "a kubelet's credentials are good for its own Node alone: give --node-name as `kubectl get nodes` has it";
  }
  const [, user] = /User "([^"]*)" cannot /.exec(message) ?? [];
  if (user === undefined) {
    // Of exec, some versions say "forbidden:" and nothing behind it.
    return /(^|forbidden: *)$/.test(message) ? `grant ${grant}` : undefined;
  }
  if (user === "system:anonymous") {
    return "no credentials were shown, or none that count: name a user with a client certificate or a token in the kubeconfig";
  }
  if (grant.startsWith("events")) {
    return user.startsWith("system:node:")
      ? `grant ${grant} to the group system:nodes: bind it to the Role clusternet-node-events (${HOST_SERVICE})`
      : `grant ${grant}: bind it to the Role clusternet of the namespace default (${PODS})`;
  }
  // A person's, not an agent's.
  if (grant.startsWith("pods")) return `grant ${grant} to ${user}`;
  if (user.startsWith("system:node:")) {
    return grant === "nodes list,watch"
      ? `grant ${grant} to the group system:nodes: bind it to the ClusterRole clusternet-node-reader (${HOST_SERVICE})`
      : `grant ${grant}: the Node authorizer does, for each kubelet's own Node (kube-apiserver --authorization-mode=Node,RBAC)`;
  }
  return `grant ${grant}: bind it to the ClusterRole clusternet (${PODS})`;
}

function of(source: string): string {
  return source === "" ? "" : ` ${source}`;
}

/**
 * What Kubernetes mounts in a pod so that it reaches the API server: an
 * authority's certificate, a token, a namespace; and the server's own half.
 * Files in a directory of the lab, which goes with it.
 *
 * @module
 */

import { Authority } from "../support/certificates.ts";
import type { Space } from "./space.ts";
import { LAB_DIR } from "./underlay.ts";

/** As in /var/run/secrets/kubernetes.io of a pod. */
export const SERVICE_ACCOUNT_DIR = `${LAB_DIR}/serviceaccount`;

export interface SecureServer {
  /** Of `api_main.ts`. */
  readonly flags: readonly string[];
}

const USER = "system:serviceaccount:clusternet:clusternet";

/** @param address where the API server will listen */
export function makeServiceAccount(
  underlay: Space,
  address: string,
): SecureServer {
  const dir = `${LAB_DIR}/tls`;
  const outside = underlay.outside(dir);
  Deno.mkdirSync(outside);
  const authority = Authority.create(outside, "kubernetes");
  const server = authority.issue("/CN=kube-apiserver", [`IP:${address}`]);
  Deno.writeTextFileSync(`${outside}/server.crt`, server.cert);
  Deno.writeTextFileSync(`${outside}/server.key`, server.key);
  const token = crypto.randomUUID();
  const account = underlay.outside(SERVICE_ACCOUNT_DIR);
  Deno.mkdirSync(account);
  Deno.writeTextFileSync(`${account}/ca.crt`, authority.cert);
  Deno.writeTextFileSync(`${account}/token`, token);
  Deno.writeTextFileSync(`${account}/namespace`, "clusternet");
  return {
    flags: [
      ...["--tls-cert", `${dir}/server.crt`, "--tls-key", `${dir}/server.key`],
      ...["--tls-ca", `${dir}/ca.crt`, "--token", `${token}=${USER}`],
    ],
  };
}

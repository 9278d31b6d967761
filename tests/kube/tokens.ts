/**
 * ServiceAccount tokens with any life, signed by the cluster's own key: the API
 * gives none of less than ten minutes.
 *
 * @module
 */

import { createSign } from "node:crypto";
import { join } from "node:path";
import type { ControlPlane } from "./control_plane.ts";
import type { KubeObject } from "./kube_api.ts";
import { AGENTS } from "./watcher.ts";

/** A ServiceAccount of the namespace "default" with the agent's rights. */
export async function addServiceAccount(
  { admin }: ControlPlane,
  name: string,
): Promise<KubeObject> {
  const apiGroup = "rbac.authorization.k8s.io";
  await admin.create(`/apis/${apiGroup}/v1/clusterrolebindings`, {
    metadata: { name: `account-${name}` },
    roleRef: { apiGroup, kind: "ClusterRole", name: AGENTS },
    subjects: [{ kind: "ServiceAccount", namespace: "default", name }],
  });
  return await admin.create("/api/v1/namespaces/default/serviceaccounts", {
    metadata: { name },
  });
}

/** What the API server allows clocks to differ by. */
const LEEWAY_SECONDS = 60;

/**
 * As TokenRequest makes them.
 *
 * @param seconds after which the API server refuses it
 */
export function signedToken(
  { credentials }: ControlPlane,
  account: KubeObject,
  seconds: number,
): string {
  const { name, namespace, uid } = account.metadata;
  const issuer = "https://kubernetes.default.svc";
  const now = Math.floor(Date.now() / 1_000);
  const text = [
    { alg: "RS256", typ: "JWT" },
    {
      iss: issuer,
      aud: [issuer],
      sub: `system:serviceaccount:${namespace}:${name}`,
      iat: now - 2 * LEEWAY_SECONDS,
      nbf: now - 2 * LEEWAY_SECONDS,
      exp: now + seconds - LEEWAY_SECONDS,
      "kubernetes.io": { namespace, serviceaccount: { name, uid } },
    },
  ].map((part) => encoded(new TextEncoder().encode(JSON.stringify(part))))
    .join(".");
  const key = Deno.readTextFileSync(credentials.files.serviceAccountKey);
  const signature = createSign("RSA-SHA256").update(text).sign(key);
  return `${text}.${encoded(signature)}`;
}

function encoded(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** A folder as a kubelet mounts it: all files change at once, with one link. */
export class TokenFolder {
  readonly path: string;
  readonly #ca: string;
  #rotations = 0;

  /** @param path of a folder that is not there yet */
  constructor(path: string, { ca, token }: {
    readonly ca: string;
    readonly token: string;
  }) {
    this.path = path;
    this.#ca = ca;
    Deno.mkdirSync(path);
    this.rotate(token);
    for (const name of ["ca.crt", "token"]) {
      Deno.symlinkSync(join("..data", name), join(path, name));
    }
  }

  rotate(token: string): void {
    const name = `..${++this.#rotations}`;
    const folder = join(this.path, name);
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(join(folder, "ca.crt"), this.#ca);
    Deno.writeTextFileSync(join(folder, "token"), token, { mode: 0o644 });
    const draft = join(this.path, "..data_tmp");
    Deno.symlinkSync(name, draft);
    Deno.renameSync(draft, join(this.path, "..data"));
  }
}

/**
 * Who is who in the cluster under test: its authority, what that signs, and
 * kubeconfigs.
 *
 * @module
 */

import { join } from "node:path";
import { must } from "../lab/exec.ts";
import { Authority, type Certificate } from "../support/certificates.ts";

/** Paths of what the control plane reads. */
export interface KeyFiles {
  readonly ca: string;
  readonly caKey: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
}

export class Credentials {
  readonly files: KeyFiles;
  readonly authority: Authority;

  private constructor(authority: Authority, files: KeyFiles) {
    this.authority = authority;
    this.files = files;
  }

  /**
   * @param dir an empty folder
   * @param names of the API server: "IP:192.0.2.1", "DNS:kubernetes"
   */
  static async make(
    dir: string,
    names: readonly string[],
  ): Promise<Credentials> {
    const authority = Authority.create(dir, "kubernetes");
    const put = (name: string, { cert, key }: Certificate): void => {
      Deno.writeTextFileSync(join(dir, `${name}.crt`), cert);
      Deno.writeTextFileSync(join(dir, `${name}.key`), key);
    };
    put("server", authority.issue("/CN=kube-apiserver", names));
    // With which the API server comes to the kubelets.
    put(
      "client",
      authority.issue("/O=system:masters/CN=kube-apiserver-kubelet-client"),
    );
    const key = join(dir, "sa.key");
    const publicKey = join(dir, "sa.pub");
    await must(["openssl", "genrsa", "-out", key, "2048"]);
    await must([
      ...["openssl", "rsa", "-in", key, "-pubout", "-out", publicKey],
    ]);
    return new Credentials(authority, {
      ca: join(dir, "ca.crt"),
      caKey: join(dir, "ca.key"),
      serverCert: join(dir, "server.crt"),
      serverKey: join(dir, "server.key"),
      clientCert: join(dir, "client.crt"),
      clientKey: join(dir, "client.key"),
      serviceAccountKey: key,
      serviceAccountPublicKey: publicKey,
    });
  }

  get ca(): string {
    return this.authority.cert;
  }

  /** @param groups what the API server takes as such: "system:masters" */
  user(name: string, groups: readonly string[] = []): Certificate {
    const subject = groups.map((group) => `/O=${group}`).join("");
    return this.authority.issue(`${subject}/CN=${name}`);
  }

  /** A kubeconfig with everything in it. */
  kubeconfig(server: string, { cert, key }: Certificate): string {
    return kubeconfigText(server, this.ca, {
      "client-certificate-data": btoa(cert),
      "client-key-data": btoa(key),
    });
  }
}

/** @param user keys of a `user` of client.authentication.k8s.io's kubeconfig */
export function kubeconfigText(
  server: string,
  ca: string,
  user: Readonly<Record<string, string>>,
): string {
  return JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      clusters: [{
        name: "test",
        cluster: { server, "certificate-authority-data": btoa(ca) },
      }],
      users: [{ name: "test", user }],
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    },
    null,
    2,
  );
}

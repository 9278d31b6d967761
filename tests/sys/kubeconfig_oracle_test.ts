/**
 * `@kubernetes/client-node` is the oracle: what it makes of a kubeconfig, ours
 * must make of it too (but for tokenFile, which it does not know). The agent
 * itself does without it, for its memory.
 *
 * @module
 */

import { KubeConfig } from "@kubernetes/client-node";
import assert from "node:assert/strict";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { tempDir } from "../support/temp_dir.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** What reaches the server. */
interface Seen {
  readonly server: string;
  readonly authorization: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

const PEM = (text: string): string =>
  `-----BEGIN CERTIFICATE-----\n${btoa(text)}\n-----END CERTIFICATE-----\n`;

const FILES: Readonly<Record<string, string>> = {
  ca: PEM("authority"),
  cert: PEM("certificate"),
  key: "KEY",
  login:
    `#!/bin/sh\necho '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'"$GIVEN-$1"'"}}'\n`,
};

const USERS: readonly string[] = [
  "",
  "token: abc",
  "username: ann, password: 'b:c'",
  "client-certificate: cert, client-key: key",
  `client-certificate-data: ${btoa(PEM("inline"))}, client-key-data: ${
    btoa("INLINE")
  }`,
  "token: abc, client-certificate: cert, client-key: key",
  "exec: {apiVersion: client.authentication.k8s.io/v1, command: DIR/login, args: [one], env: [{name: GIVEN, value: yes}], interactiveMode: Never}",
  `auth-provider: {name: oidc, config: {client-id: c, id-token: ${idToken()}, refresh-token: r, idp-issuer-url: 'https://192.0.2.9'}}`,
];

const CLUSTERS: readonly string[] = [
  "server: 'https://192.0.2.1:6443'",
  "server: 'https://[2001:db8::1]:6443', certificate-authority: ca",
  `server: 'https://api.example/k8s', certificate-authority-data: ${
    btoa(PEM("inline authority"))
  }`,
];

/** Unsigned, and good for an hour: nobody is asked for another. */
function idToken(): string {
  const part = (value: unknown): string =>
    new TextEncoder().encode(JSON.stringify(value))
      .toBase64({ alphabet: "base64url", omitPadding: true });
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  return `${part({ alg: "none" })}.${part({ exp })}.`;
}

async function ours(file: string): Promise<Seen> {
  const access = await openKubeAccess({
    kubeconfig: file,
    server: undefined,
    clock: new VirtualClock(),
    env: {},
  });
  const found = await access.credentials();
  return {
    server: access.server,
    authorization: found.authorization?.expose(),
    ca: found.caCerts[0]?.trim(),
    cert: found.clientCert?.trim(),
    key: found.clientKey?.expose().trim(),
  };
}

async function theirs(file: string): Promise<Seen> {
  const config = new KubeConfig();
  config.loadFromFile(file);
  const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] = {};
  await config.applyToHTTPSOptions(options);
  const text = (value: unknown): string | undefined =>
    value === undefined || value === null ? undefined : String(value).trim();
  const headers = options.headers as Record<string, string> | undefined;
  const basic = text(options.auth);
  return {
    server: config.getCurrentCluster()?.server ?? "",
    authorization: headers?.Authorization ??
      (basic === undefined ? undefined : `Basic ${btoa(basic)}`),
    ca: text(options.ca),
    cert: text(options.cert),
    key: text(options.key),
  };
}

Deno.test("a kubeconfig gives the server what Kubernetes' own library gives it", async () => {
  await using dir = await tempDir();
  for (const [name, content] of Object.entries(FILES)) {
    await Deno.writeTextFile(`${dir.path}/${name}`, content, { mode: 0o700 });
  }
  const pairs = USERS.flatMap((user) =>
    CLUSTERS.map((cluster) => ({ user, cluster }))
  );
  for (const { user, cluster } of pairs) {
    const text = `
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: none, context: {cluster: none, user: none}}, {name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {${cluster}}}]
users: [{name: u, user: {${user.replace("DIR", dir.path)}}}]
`;
    const file = `${dir.path}/config`;
    await Deno.writeTextFile(file, text);
    assert.deepEqual(await ours(file), await theirs(file), text);
  }
});

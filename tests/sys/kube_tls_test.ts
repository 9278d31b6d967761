/**
 * TLS against real certificates, made by openssl: who is trusted, who is not,
 * and who we say that we are.
 *
 * @module
 */

import assert from "node:assert/strict";
import { systemClock } from "../../mod/sys/clock.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { KubeClient } from "../../mod/sys/kube_client.ts";
import { ApiServer } from "../fakes/api_server.ts";
import { Authority, type Certificate } from "../support/certificates.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const NEVER = new AbortController().signal;

function test(
  name: string,
  body: (dir: string, authority: Authority) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: skipped(name, { commands: ["openssl"] }),
    fn: async () => {
      await using dir = await tempDir();
      await Deno.mkdir(`${dir.path}/ca`);
      await body(dir.path, Authority.create(`${dir.path}/ca`));
    },
  });
}

interface Kubeconfig {
  readonly server: string;
  /** PEM. */
  readonly ca?: string;
  readonly caFile?: string;
  /** Files. */
  readonly client?: { readonly cert: string; readonly key: string };
}

async function clientOf(dir: string, given: Kubeconfig): Promise<KubeClient> {
  const ca = given.ca === undefined
    ? { "certificate-authority": given.caFile }
    : { "certificate-authority-data": btoa(given.ca) };
  const user = given.client === undefined ? {} : {
    "client-certificate": given.client.cert,
    "client-key": given.client.key,
  };
  const file = `${dir}/config`;
  await Deno.writeTextFile(
    file,
    JSON.stringify({
      "current-context": "x",
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster: { server: given.server, ...ca } }],
      users: [{ name: "u", user }],
    }),
  );
  const access = await openKubeAccess({
    kubeconfig: file,
    server: undefined,
    clock: systemClock,
    env: {},
  });
  return new KubeClient(access, {
    clock: systemClock,
    annotation: "clusternet.dev/wg-pubkey",
  });
}

/** What a list through this kubeconfig says: "ok", or the error. */
async function answer(dir: string, given: Kubeconfig): Promise<string> {
  const client = await clientOf(dir, given);
  try {
    await client.listPage({ limit: 1, continueToken: "" }, NEVER);
    return "ok";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    client.close();
  }
}

test(
  "a server of the right authority and name is trusted, any other is not",
  async (dir, authority) => {
    await Deno.mkdir(`${dir}/other`);
    const other = Authority.create(`${dir}/other`, "other authority");
    const rows:
      readonly (readonly [Certificate, string | undefined, RegExp])[] = [
        [authority.issue("/CN=s", ["IP:127.0.0.1"]), authority.cert, /^ok$/],
        [
          authority.issue("/CN=s", ["IP:127.0.0.1"]),
          authority.cert + other.cert, // while it is rotated, both
          /^ok$/,
        ],
        [
          authority.issue("/CN=s", ["IP:127.0.0.1"]),
          other.cert,
          /: its certificate is not signed by the authority that is trusted here, certificate-authority-data of cluster "c" in kubeconfig \/.*\/config; put the cluster's there/,
        ],
        [
          authority.issue("/CN=s", ["IP:127.0.0.1"]),
          undefined,
          /: its certificate is not signed by any authority that is trusted here; name its own /,
        ],
        [
          authority.issue("/CN=s", ["IP:192.0.2.1", "DNS:kubernetes"]),
          authority.cert,
          /: its certificate is not valid for name "127\.0\.0\.1" \(only for .*kubernetes.*\); give one of its names \(server in kubeconfig /,
        ],
        [
          authority.issue("/CN=s", ["IP:127.0.0.1"], { days: -1 }),
          authority.cert,
          /: its certificate has expired \(or this machine's clock is wrong\); renew it \(kube-apiserver --tls-cert-file/,
        ],
      ];
    for (const [tls, ca, pattern] of rows) {
      await using server = ApiServer.start({ tls });
      const given = { server: server.url, ...ca === undefined ? {} : { ca } };
      assert.match(await answer(dir, given), pattern);
      assert.equal(
        server.requests.length,
        pattern.source === "^ok$" ? 1 : 0,
        "nothing is sent to a server that is not trusted",
      );
    }
    await using server = ApiServer.start({
      tls: authority.issue("/CN=s", ["IP:127.0.0.1"]),
    });
    const plain = server.url.replace("https", "http");
    assert.match(
      await answer(dir, { server: plain }),
      /: it does not speak HTTP on this port \(https:\/\/ instead of http:\/\/\?\)$/,
    );
  },
);

test(
  "an authority that is put right is taken at the next try, and so is a client's key",
  async (dir, authority) => {
    await Deno.mkdir(`${dir}/other`);
    const other = Authority.create(`${dir}/other`, "other authority");
    await using server = ApiServer.start({
      tls: authority.issue("/CN=s", ["IP:127.0.0.1"]),
    });
    const { cert, key } = authority.issue("/CN=c");
    const put = (file: string, text: string): Promise<void> =>
      Deno.writeTextFile(`${dir}/${file}`, text);
    await put("trusted.crt", other.cert);
    await put("c.crt", cert);
    await put("c.key", other.issue("/CN=c").key);
    const client = await clientOf(dir, {
      server: server.url,
      caFile: "trusted.crt",
      client: { cert: "c.crt", key: "c.key" },
    });
    const list = (): Promise<unknown> =>
      client.listPage({ limit: 1, continueToken: "" }, NEVER);
    await assert.rejects(list(), /KeyMismatch/);
    await put("c.key", key);
    await assert.rejects(
      list(),
      /the authority that is trusted here, \/.*\/trusted\.crt; put /,
    );
    await put("trusted.crt", authority.cert);
    await list();
    client.close();
  },
);

/** A server that lets in only who shows a certificate of the authority. */
async function mutual(
  dir: string,
  tls: Certificate,
  body: (url: string) => Promise<void>,
): Promise<void> {
  await Deno.mkdir(`${dir}/api/v1`, { recursive: true });
  const list = JSON.stringify({
    kind: "NodeList",
    metadata: { resourceVersion: "1" },
    items: [],
  });
  await Deno.writeTextFile(
    `${dir}/api/v1/nodes?limit=1`,
    `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${list}`,
  );
  await Deno.writeTextFile(`${dir}/s.crt`, tls.cert);
  await Deno.writeTextFile(`${dir}/s.key`, tls.key);
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_server", "-accept", "127.0.0.1:0", "-naccept", "20", "-HTTP"],
      ...["-cert", "s.crt", "-key", "s.key", "-CAfile", "ca/ca.crt"],
      ...["-Verify", "1", "-verify_return_error"],
    ],
    cwd: dir,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let text = "";
    let port: string | undefined;
    while (port === undefined) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`Cannot start openssl s_server: ${text}`);
      text += value;
      port = /ACCEPT .*:([0-9]+)/.exec(text)?.[1];
    }
    await body(`https://127.0.0.1:${port}`);
  } finally {
    await reader.cancel();
    child.kill("SIGKILL");
    await child.status;
  }
}

test(
  "a client certificate is shown, from files that rotate, key and certificate in one too",
  async (dir, authority) => {
    const tls = authority.issue("/CN=s", ["IP:127.0.0.1"]);
    const one = authority.issue("/O=system:nodes/CN=system:node:a");
    await mutual(dir, tls, async (server) => {
      const ca = authority.cert;
      assert.match(
        await answer(dir, { server, ca }),
        /: it demands a client certificate; name one in kubeconfig \//,
      );
      await Deno.writeTextFile(`${dir}/c.crt`, one.cert);
      await Deno.writeTextFile(`${dir}/c.key`, one.key);
      const files = { cert: "c.crt", key: "c.key" };
      assert.equal(await answer(dir, { server, ca, client: files }), "ok");
      // As kubelet keeps it: kubelet-client-current.pem is both, by a link.
      await Deno.writeTextFile(`${dir}/both-1.pem`, one.cert + one.key);
      await Deno.symlink("both-1.pem", `${dir}/current.pem`);
      const both = { cert: "current.pem", key: "current.pem" };
      assert.equal(await answer(dir, { server, ca, client: both }), "ok");
      await Deno.writeTextFile(
        `${dir}/c.key`,
        authority.issue("/CN=other").key,
      );
      assert.match(
        await answer(dir, { server, ca, client: files }),
        /^Cannot use the certificates of kubeconfig .*KeyMismatch$/,
      );
      const old = authority.issue("/CN=system:node:a", [], { days: -1 });
      await Deno.writeTextFile(`${dir}/old.pem`, old.cert + old.key);
      const expired = { cert: "old.pem", key: "old.pem" };
      assert.match(
        await answer(dir, { server, ca, client: expired }),
        /: it ends the connection \(CertificateExpired\); the client certificate \/.*\/old\.pem expired at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ: the kubelet renews its own \(rotateCertificates/,
      );
      await Deno.writeTextFile(`${dir}/c.key`, "no key");
      assert.match(
        await answer(dir, { server, ca, client: files }),
        /^Cannot use the certificates of kubeconfig .*No keys found/,
      );
    });
  },
);

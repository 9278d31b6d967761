/**
 * Credentials that really end in a matter of seconds: a certificate by `openssl
 * ca`, which alone knows of seconds, and a ServiceAccount's token signed with the
 * cluster's own key.
 *
 * @module
 */

import { join } from "node:path";
import { must } from "../lab/exec.ts";
import type { Certificate } from "../support/certificates.ts";
import type { Credentials } from "./credentials.ts";

const CONFIG = `
[ca]
default_ca = own
[own]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = client
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[client]
extendedKeyUsage = clientAuth
`;

/**
 * Of a user, good from now on for so many seconds.
 *
 * @param dir an empty folder
 */
export async function expiringCertificate(
  { files }: Credentials,
  options: {
    readonly dir: string;
    readonly user: string;
    readonly seconds: number;
  },
): Promise<Certificate> {
  const { dir, user, seconds } = options;
  const at = (name: string): string => join(dir, name);
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(at("ca.conf"), CONFIG);
  await Deno.writeTextFile(at("index.txt"), "");
  await must([
    ...["openssl", "req", "-nodes", "-subj", `/CN=${user}`],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    ...["-keyout", at("one.key"), "-out", at("one.csr")],
  ]);
  const now = Date.now();
  await must([
    ...["sh", "-euc", 'cd "$1"; shift; exec "$@"', "sh", dir],
    ...["openssl", "ca", "-batch", "-notext", "-config", "ca.conf"],
    ...["-cert", files.ca, "-keyfile", files.caKey],
    ...["-startdate", asn1Time(now - 60_000)],
    ...["-enddate", asn1Time(now + seconds * 1_000)],
    ...["-in", "one.csr", "-out", "one.crt"],
  ]);
  return {
    cert: await Deno.readTextFile(at("one.crt")),
    key: await Deno.readTextFile(at("one.key")),
  };
}

/** "20260102030405Z" */
function asn1Time(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+/, "")
    .replaceAll(/[-:T]/g, "");
}

/** Seconds for which kube-apiserver still takes a token that is over (go-jose, jwt.DefaultLeeway). */
export const TOKEN_LEEWAY_SECONDS = 60;

/**
 * Of a ServiceAccount, as the TokenRequest API gives them, which gives none of
 * less than ten minutes.
 */
export async function expiringToken(
  { files }: Credentials,
  options: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    /** From now; negative: it is over. */
    readonly seconds: number;
  },
): Promise<string> {
  const { namespace, name, uid, seconds } = options;
  const now = Math.floor(Date.now() / 1_000);
  const issuer = "https://kubernetes.default.svc";
  const claims = {
    iss: issuer,
    aud: [issuer],
    sub: `system:serviceaccount:${namespace}:${name}`,
    iat: now - 600,
    nbf: now - 600,
    exp: now + seconds,
    "kubernetes.io": { namespace, serviceaccount: { name, uid } },
  };
  const der = await must([
    ...["openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "PEM"],
    ...["-in", files.serviceAccountKey],
  ]);
  const key = await crypto.subtle.importKey(
    "pkcs8",
    Uint8Array.fromBase64(der.replaceAll(/-----[^-]*-----/g, "")),
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const utf8 = new TextEncoder();
  const head = {
    alg: "RS256",
    kid: await keyId(files.serviceAccountPublicKey),
  };
  const text = [head, claims].map((part) =>
    base64url(utf8.encode(JSON.stringify(part)))
  ).join(".");
  const signature = await crypto.subtle.sign(
    "RSASSA-PKCS1-v1_5",
    key,
    utf8.encode(text),
  );
  return `${text}.${base64url(new Uint8Array(signature))}`;
}

/** k8s.io/kubernetes/pkg/serviceaccount, keyIDFromPublicKey: SHA-256 of its DER. */
async function keyId(file: string): Promise<string> {
  const pem = await Deno.readTextFile(file);
  const der = Uint8Array.fromBase64(pem.replaceAll(/-----[^-]*-----/g, ""));
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", der)));
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

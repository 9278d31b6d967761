/**
 * kubeconfig files: which server, and by which credentials. What cannot be
 * honoured is refused, never passed over.
 *
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { listOf, property } from "../wire/json.ts";
import { Secret } from "./secret.ts";
import { readYaml } from "./yaml_file.ts";

/** Bytes in a file, or in the kubeconfig itself. */
export type Material =
  | { readonly kind: "file"; readonly path: string }
  | {
    readonly kind: "text";
    readonly text: Secret;
    /** For messages: `client-key-data of user "u" in kubeconfig FILE`. */
    readonly where: string;
  };

export interface Plugin {
  readonly kind: "exec" | "auth-provider";
  /** What the user's entry says under that key. */
  readonly section: unknown;
  /** Of the file that says it. */
  readonly dir: string;
}

export interface KubeContext {
  readonly server: string;
  readonly proxyUrl: string | undefined;
  readonly ca: Material | undefined;
  readonly clientCert: Material | undefined;
  readonly clientKey: Material | undefined;
  readonly token: Material | undefined;
  readonly basic: Secret | undefined;
  /** A program or an identity provider gives the credentials. */
  readonly plugin: Plugin | undefined;
}

interface Document {
  readonly file: string;
  readonly value: unknown;
}

interface Entry {
  readonly file: string;
  /** For messages: `user "admin"`. */
  readonly label: string;
  readonly value: unknown;
}

const WHAT = "the kubeconfig";

/**
 * The current context of one file, or of several as `KUBECONFIG` lists them:
 * of each entry, the first counts. `wanted`: that context instead.
 *
 * @throws {Error} one sentence: which file, what is amiss
 */
export async function readKubeconfig(
  files: readonly string[],
  wanted?: string,
): Promise<KubeContext> {
  const documents = await readAll(files);
  const name = wanted ?? currentContext(documents);
  const context = entry(documents, "context", name);
  const clusterName = text(context, "cluster");
  if (clusterName === undefined) throw refuse(context, "names no cluster");
  const cluster = entry(documents, "cluster", clusterName);
  const userName = text(context, "user") ?? "";
  const user = userName === "" ? undefined : entry(documents, "user", userName);
  return {
    ...ofCluster(cluster),
    ...(user === undefined ? NO_USER : ofUser(user)),
  };
}

async function readAll(files: readonly string[]): Promise<readonly Document[]> {
  const documents: Document[] = [];
  let missing: unknown;
  for (const file of files) {
    try {
      documents.push({ file, value: await readYaml(file, WHAT) });
    } catch (error) {
      // Of several, those that are not there do not matter (as kubectl has it).
      if (files.length === 1 || !String(error).includes("no such file")) {
        throw error;
      }
      missing = error;
    }
  }
  if (documents.length === 0) throw missing;
  for (const { file, value } of documents) {
    if (property(value, "clusters") !== undefined) continue;
    if (property(value, "users") !== undefined) continue;
    if (property(value, "contexts") !== undefined) continue;
    throw new Error(
      `Cannot read ${WHAT} ${file}: it has no clusters, users or contexts`,
    );
  }
  return documents;
}

function currentContext(documents: readonly Document[]): string {
  for (const { file, value } of documents) {
    const name = text({ file, label: "the file", value }, "current-context");
    if (name !== undefined && name !== "") return name;
  }
  throw new Error(
    `Cannot use ${WHAT} ${
      filesOf(documents)
    }: it has no current-context; set one with kubectl config use-context`,
  );
}

function entry(
  documents: readonly Document[],
  kind: "context" | "cluster" | "user",
  name: string,
): Entry {
  for (const { file, value } of documents) {
    for (const item of listOf(property(value, `${kind}s`))) {
      if (property(item, "name") !== name) continue;
      const label = `${kind} "${name}"`;
      return { file, label, value: property(item, kind) };
    }
  }
  throw new Error(
    `Cannot use ${WHAT} ${filesOf(documents)}: it has no ${kind} "${name}"`,
  );
}

function ofCluster(
  cluster: Entry,
): Pick<KubeContext, "server" | "proxyUrl" | "ca"> {
  const server = text(cluster, "server") ?? "";
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw refuse(cluster, "has no server of the form https://HOST:PORT");
  }
  if (property(cluster.value, "insecure-skip-tls-verify") === true) {
    throw refuse(
      cluster,
      "says insecure-skip-tls-verify, which is not supported: name the authority instead (certificate-authority)",
    );
  }
  const tlsName = text(cluster, "tls-server-name") ?? "";
  if (tlsName !== "" && tlsName !== url.hostname) {
    throw refuse(
      cluster,
      "says tls-server-name, which is not supported: put that name into server, and into /etc/hosts if need be",
    );
  }
  const proxyUrl = text(cluster, "proxy-url");
  if (proxyUrl !== undefined && !/^(https?|socks5h?):\/\/./.test(proxyUrl)) {
    throw refuse(
      cluster,
      "has a proxy-url that is neither http, https nor socks5",
    );
  }
  return {
    server: server.replace(/\/+$/, ""),
    proxyUrl: proxyUrl === "" ? undefined : proxyUrl,
    ca: material(cluster, "certificate-authority"),
  };
}

type User = Omit<KubeContext, "server" | "proxyUrl" | "ca">;

const NO_USER: User = {
  clientCert: undefined,
  clientKey: undefined,
  token: undefined,
  basic: undefined,
  plugin: undefined,
};

function ofUser(user: Entry): User {
  for (const key of ["as", "as-uid", "as-groups", "as-user-extra"]) {
    if (property(user.value, key) === undefined) continue;
    throw refuse(user, `says ${key}: impersonation is not supported`);
  }
  const clientCert = material(user, "client-certificate");
  const clientKey = material(user, "client-key");
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw refuse(
      user,
      "has one of client-certificate and client-key, not both",
    );
  }
  const name = text(user, "username") ?? "";
  const password = text(user, "password") ?? "";
  return {
    clientCert,
    clientKey,
    token: tokenOf(user),
    basic: name === ""
      ? undefined
      : new Secret(base64(new TextEncoder().encode(`${name}:${password}`))),
    plugin: pluginOf(user),
  };
}

function pluginOf({ value, file }: Entry): Plugin | undefined {
  for (const kind of ["exec", "auth-provider"] as const) {
    const section = property(value, kind);
    if (typeof section !== "object" || section === null) continue;
    return { kind, section, dir: dirname(file) };
  }
  return undefined;
}

/** The file wins: it is the one that is rotated. */
function tokenOf(user: Entry): Material | undefined {
  const file = text(user, "tokenFile") ?? "";
  if (file !== "") return { kind: "file", path: absolute(user, file) };
  const token = text(user, "token") ?? "";
  return token === "" ? undefined : {
    kind: "text",
    text: new Secret(token),
    where: partOf(user, "token"),
  };
}

/** `KEY-data` (base64) wins over `KEY` (a path). */
function material(from: Entry, key: string): Material | undefined {
  const data = text(from, `${key}-data`) ?? "";
  if (data !== "") {
    try {
      const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
      const decoded = new TextDecoder().decode(bytes);
      return {
        kind: "text",
        text: new Secret(decoded),
        where: partOf(from, `${key}-data`),
      };
    } catch {
      throw refuse(from, `has ${key}-data that is not base64`);
    }
  }
  const file = text(from, key) ?? "";
  return file === "" ? undefined : { kind: "file", path: absolute(from, file) };
}

function partOf({ file, label }: Entry, key: string): string {
  return `${key} of ${label} in kubeconfig ${file}`;
}

/** Relative to the file that says so. */
function absolute(from: Entry, path: string): string {
  return resolve(dirname(from.file), path);
}

function text(from: Entry, key: string): string | undefined {
  const value = property(from.value, key);
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  throw refuse(from, `has ${key} that is no text: put it in quotes`);
}

function refuse({ file, label }: Entry, why: string): Error {
  return new Error(`Cannot use ${WHAT} ${file}: ${label} ${why}`);
}

function filesOf(documents: readonly Document[]): string {
  return documents.map(({ file }) => file).join(", ");
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

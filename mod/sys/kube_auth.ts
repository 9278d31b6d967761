/**
 * The way to the API server: by a kubeconfig, by the ServiceAccount of the pod
 * that this runs in, or by an address alone.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { errorText, FatalError } from "../core/errors.ts";
import {
  type Credentials,
  type KubeAccess,
  NO_CREDENTIALS,
  refreshing,
  SERVICE_HOST,
} from "./kube_access.ts";
import {
  type KubeContext,
  type Material,
  readKubeconfig,
} from "./kubeconfig.ts";
import { type Login, ProgramLogin } from "./kube_exec.ts";
import { ProviderLogin } from "./kube_oidc.ts";
import { Secret } from "./secret.ts";
import { fileReason } from "./yaml_file.ts";

export interface KubeAccessOptions {
  /** `undefined`: `KUBECONFIG`, else the ServiceAccount of the pod. */
  readonly kubeconfig: string | undefined;
  /** Of the kubeconfig; `undefined`: the current one. */
  readonly context?: string | undefined;
  /** Instead of the server that the above names. */
  readonly server: string | undefined;
  readonly clock: Clock;
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly serviceAccountDir?: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * @throws {FatalError} one sentence, where there is no way or its description is
 * wrong. A token or certificate that cannot be read now is said when it is used.
 */
export async function openKubeAccess(
  options: KubeAccessOptions,
): Promise<KubeAccess> {
  const env = options.env ?? Deno.env.toObject();
  const list = options.kubeconfig || env.KUBECONFIG || "";
  try {
    if (list !== "") return await byKubeconfig(await filesOf(list), options);
    const host = env.KUBERNETES_SERVICE_HOST ?? "";
    if (host !== "" && !options.server?.startsWith("http:")) {
      return await byServiceAccount(env, options);
    }
  } catch (error) {
    throw new FatalError(errorText(error), 1);
  }
  const { server, clock } = options;
  if (server === undefined) {
    throw new FatalError(
      "Cannot find the API server: give --kubeconfig FILE (or KUBECONFIG) or --server URL, or run in a pod with a ServiceAccount",
      1,
    );
  }
  return refreshing({
    server: server.replace(/\/+$/, ""),
    proxyUrl: undefined,
    serverFrom: "--server",
    source: "--server",
    now: () => clock.now(),
    read: () => Promise.resolve(NO_CREDENTIALS),
  });
}

/** A list with colons, as kubectl reads KUBECONFIG; a file whose name has one is a file. */
export async function filesOf(list: string): Promise<readonly string[]> {
  if (!list.includes(":")) return [list];
  try {
    await Deno.lstat(list);
    return [list];
  } catch {
    return list.split(":").filter((file) => file !== "");
  }
}

async function byKubeconfig(
  files: readonly string[],
  { server, clock, context }: KubeAccessOptions,
): Promise<KubeAccess> {
  const first = await readKubeconfig(files, context);
  const source = `kubeconfig ${files.join(", ")}`;
  const login = loginOf(first, files[0] ?? "");
  if (login !== undefined && files.length > 1) {
    throw new Error(
      `Cannot use ${source}: a login by ${first.plugin?.kind} has to be in one file`,
    );
  }
  const access = refreshing({
    server: (server ?? first.server).replace(/\/+$/, ""),
    proxyUrl: first.proxyUrl,
    serverFrom: server === undefined ? `server in ${source}` : "--server",
    source,
    now: () => clock.now(),
    read: async () => {
      // The file itself may have been written anew, with other data in it.
      const now = await readKubeconfig(files, context);
      const own = await credentialsOf(now);
      if (login === undefined) return own;
      const { caCerts } = own;
      const section = now.plugin?.section;
      const given = await login.credentials({
        ...{ section, server: now.server, caCerts },
      });
      const by = `${now.plugin?.kind} of ${source}`;
      return {
        caCerts,
        clientCert: given.clientCert ?? own.clientCert,
        clientKey: given.clientKey ?? own.clientKey,
        authorization: given.authorization ?? own.authorization,
        sources: {
          ca: own.sources.ca,
          clientCert: given.clientCert ? by : own.sources.clientCert,
          authorization: given.authorization ? by : own.sources.authorization,
        },
      };
    },
  });
  return {
    ...access,
    expire(): void {
      login?.forget();
      access.expire();
    },
  };
}

function loginOf(
  { plugin }: KubeContext,
  file: string,
): Login | undefined {
  switch (plugin?.kind) {
    case undefined:
      return undefined;
    case "exec":
      return new ProgramLogin(file, plugin);
    case "auth-provider":
      return new ProviderLogin(file, plugin);
  }
}

async function byServiceAccount(
  env: Readonly<Record<string, string | undefined>>,
  options: KubeAccessOptions,
): Promise<KubeAccess> {
  const dir = options.serviceAccountDir ?? SERVICE_ACCOUNT;
  const host = env.KUBERNETES_SERVICE_HOST ?? "";
  const name = host.includes(":") ? `[${host}]` : host;
  const port = env.KUBERNETES_SERVICE_PORT || "443";
  const server = options.server ?? `https://${name}:${port}`;
  const read = async (): Promise<Credentials> => {
    const files = { ca: `${dir}/ca.crt`, authorization: `${dir}/token` };
    const authorization = await bearerOf(
      { kind: "file", path: files.authorization },
      "the pod's token",
    );
    const ca = await certificates(
      { kind: "file", path: files.ca },
      "the pod's certificate authority",
    );
    const sources = { ...NO_CREDENTIALS.sources, ...files };
    return { ...NO_CREDENTIALS, caCerts: ca, authorization, sources };
  };
  await read();
  const { clock } = options;
  return refreshing({
    server: server.replace(/\/+$/, ""),
    proxyUrl: undefined,
    serverFrom: options.server === undefined ? SERVICE_HOST : "--server",
    source: "the pod's ServiceAccount",
    now: () => clock.now(),
    read,
  });
}

async function credentialsOf(context: KubeContext): Promise<Credentials> {
  const { ca, clientCert, clientKey, token, basic } = context;
  const cert = clientCert &&
    (await certificates(clientCert, "the client certificate")).join("");
  const key = clientKey && await contentOf(clientKey, "the client key");
  const said = token && await bearerOf(token, "the token");
  return {
    caCerts: ca ? await certificates(ca, "the certificate authority") : [],
    clientCert: cert,
    clientKey: key,
    authorization: said ?? (basic && new Secret(`Basic ${basic.expose()}`)),
    sources: {
      ca: nameOf(ca),
      clientCert: nameOf(clientCert),
      authorization: nameOf(token),
    },
  };
}

async function bearerOf(material: Material, what: string): Promise<Secret> {
  const token = (await contentOf(material, what)).expose();
  // A header with anything else in it is refused in words that quote it.
  if (/^[\x21-\x7e]+$/.test(token)) return new Secret(`Bearer ${token}`);
  throw new Error(
    `Cannot use ${what}${
      whereOf(material)
    }: it is no token: it has spaces, line ends or strange characters`,
  );
}

/** PEM; the runtime takes text without a certificate without a word. */
async function certificates(
  material: Material,
  what: string,
): Promise<readonly string[]> {
  const text = (await contentOf(material, what)).expose();
  if (text.includes("-----BEGIN CERTIFICATE-----")) return [`${text}\n`];
  throw new Error(
    `Cannot read ${what}${whereOf(material)}: it holds no certificate in PEM`,
  );
}

/** Without white space around it: tokens in files often end with a newline. */
async function contentOf(material: Material, what: string): Promise<Secret> {
  const where = whereOf(material);
  let text: string;
  try {
    text = material.kind === "file"
      ? await Deno.readTextFile(material.path)
      : material.text.expose();
  } catch (error) {
    throw new Error(`Cannot read ${what}${where}: ${fileReason(error)}`);
  }
  const trimmed = text.trim();
  if (trimmed === "") {
    throw new Error(`Cannot read ${what}${where}: it is empty`);
  }
  return new Secret(trimmed);
}

function whereOf(material: Material): string {
  return material.kind === "file" ? ` ${material.path}` : "";
}

function nameOf(material: Material | undefined): string {
  if (material === undefined) return "";
  return material.kind === "file" ? material.path : material.where;
}

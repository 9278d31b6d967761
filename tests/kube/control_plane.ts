/**
 * A real control plane on an address of this network namespace: etcd,
 * kube-apiserver and, as asked, kube-controller-manager (with node IPAM) and
 * kube-scheduler. Each part can be stopped and started again; all of them end
 * with this process.
 *
 * @module
 */

import { join } from "node:path";
import { Child } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { Credentials } from "./credentials.ts";
import { KubeApi } from "./kube_api.ts";
import type { Program, Tools } from "./tools.ts";

export interface ControlPlaneOptions {
  readonly tools: Tools;
  /** An empty folder for data, keys and logs, which the caller removes. */
  readonly folder: string;
  /** Of this network namespace; it has to be there. Default 127.0.0.1. */
  readonly address?: string;
  /** Default 6443. */
  readonly port?: number;
  /** Of the pods. Default 10.0.0.0/16. */
  readonly clusterCidrs?: readonly string[];
  /** Default 10.96.0.0/16; the API server wants the family of its address first. */
  readonly serviceCidrs?: readonly string[];
  /** Default: none. */
  readonly controllers?: boolean;
  readonly scheduler?: boolean;
  /** Flags by program, in place of ours: { "kube-apiserver": { "max-requests-inflight": "2" } }. */
  readonly flags?: Partial<Record<Program, Flags>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Paths, in place of those that are built: { etcd: "/usr/bin/etcd" }. */
  readonly programs?: Partial<Record<Program, string>>;
}

/** Without the two dashes; `undefined`: not even our own. */
export type Flags = Readonly<Record<string, string | undefined>>;

export const DEFAULT_CLUSTER_CIDR = "10.0.0.0/16";
export const DEFAULT_SERVICE_CIDR = "10.96.0.0/16";

/** It will not advertise the loopback; where there are no nodes, nobody reads it. RFC 5737. */
const NOBODYS_ADDRESS = "192.0.2.1";

const START_MS = 60_000;

export class ControlPlane implements AsyncDisposable {
  readonly options: ControlPlaneOptions;
  readonly credentials: Credentials;
  readonly url: string;
  /** A member of system:masters. */
  readonly admin: KubeApi;
  readonly #etcdPort = freePort();
  readonly #running = new Map<Program, Child>();
  readonly #others: Child[] = [];

  private constructor(options: ControlPlaneOptions, credentials: Credentials) {
    const { address = "127.0.0.1", port = 6443 } = options;
    this.options = options;
    this.credentials = credentials;
    this.url = `https://${urlHost(address)}:${port}`;
    const { cert, key } = credentials.user("admin", ["system:masters"]);
    this.admin = new KubeApi(this.url, { ca: credentials.ca, cert, key });
  }

  /** Resolves when the API server is ready and the others run. */
  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const keys = join(options.folder, "keys");
    await Deno.mkdir(keys, { recursive: true });
    const credentials = await Credentials.make(keys, [
      ...["DNS:kubernetes", "DNS:kubernetes.default", "DNS:localhost"],
      ...["DNS:kubernetes.default.svc", "IP:127.0.0.1", "IP:::1"],
      ...["IP:10.96.0.1", "IP:fd00:96::1"],
      `IP:${options.address ?? "127.0.0.1"}`,
    ]);
    const plane = new ControlPlane(options, credentials);
    try {
      await plane.startEtcd();
      await plane.startApiServer();
      if (options.controllers === true) plane.startControllers();
      if (options.scheduler === true) plane.startScheduler();
      return plane;
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws {Error} where it does not run */
  child(program: Program): Child {
    const child = this.#running.get(program);
    if (child === undefined) throw new Error(`Cannot find ${program}`);
    return child;
  }

  async startEtcd(): Promise<void> {
    const url = `http://127.0.0.1:${this.#etcdPort}`;
    this.#start("etcd", {
      "data-dir": join(this.options.folder, "etcd"),
      "listen-client-urls": url,
      "advertise-client-urls": url,
      "listen-peer-urls": `http://127.0.0.1:${freePort()}`,
      "unsafe-no-fsync": "true",
      "log-level": "warn",
    });
    await this.#answers("etcd", `${url}/health`);
  }

  /** @param now flags in place of those of all its starts */
  async startApiServer(now: Flags = {}): Promise<void> {
    const { port = 6443 } = this.options;
    this.#start("kube-apiserver", this.#apiServerFlags(port), now);
    await this.ready();
  }

  /** One more on the same etcd, as where there are several; it ends with the others. */
  async startAnotherApiServer(
    port: number,
    more: Flags = {},
  ): Promise<Child> {
    const { tools, folder, env, flags } = this.options;
    const own = {
      ...this.#apiServerFlags(port),
      ...flags?.["kube-apiserver"],
      ...more,
    };
    const child = startProgram(`kube-apiserver-${port}`, {
      command: [tools.path("kube-apiserver"), ...flagTexts(own)],
      folder,
      env,
    });
    this.#others.push(child);
    const { cert, key } = this.credentials.user("admin", ["system:masters"]);
    const { address = "127.0.0.1" } = this.options;
    using client = new KubeApi(`https://${urlHost(address)}:${port}`, {
      ...{ ca: this.credentials.ca, cert, key },
    });
    await isReadyAt(client, child);
    return child;
  }

  #apiServerFlags(port: number): Flags {
    const { address = "127.0.0.1" } = this.options;
    const { files } = this.credentials;
    const alone = address === "127.0.0.1";
    return {
      "etcd-servers": `http://127.0.0.1:${this.#etcdPort}`,
      "bind-address": address.includes(":") ? "::" : "0.0.0.0",
      "secure-port": String(port),
      "advertise-address": alone ? NOBODYS_ADDRESS : address,
      "endpoint-reconciler-type": alone ? "none" : undefined,
      "tls-cert-file": files.serverCert,
      "tls-private-key-file": files.serverKey,
      "client-ca-file": files.ca,
      "service-account-issuer": "https://kubernetes.default.svc",
      "service-account-key-file": files.serviceAccountPublicKey,
      "service-account-signing-key-file": files.serviceAccountKey,
      "authorization-mode": "Node,RBAC",
      "enable-admission-plugins": "NodeRestriction",
      "service-cluster-ip-range": this.#serviceCidrs(),
      "kubelet-client-certificate": files.clientCert,
      "kubelet-client-key": files.clientKey,
      "kubelet-preferred-address-types": "InternalIP",
      "allow-privileged": "true",
      "profiling": "false",
    };
  }

  /** @param now flags in place of those of all its starts */
  startControllers(now: Flags = {}): void {
    const { files } = this.credentials;
    this.#start("kube-controller-manager", {
      "kubeconfig": this.kubeconfig("system:kube-controller-manager"),
      "allocate-node-cidrs": "true",
      "cluster-cidr": (this.options.clusterCidrs ?? [DEFAULT_CLUSTER_CIDR])
        .join(","),
      "service-cluster-ip-range": this.#serviceCidrs(),
      "cluster-signing-cert-file": files.ca,
      "cluster-signing-key-file": files.caKey,
      "root-ca-file": files.ca,
      "service-account-private-key-file": files.serviceAccountKey,
      "use-service-account-credentials": "true",
      "leader-elect": "false",
      "bind-address": "127.0.0.1",
      "secure-port": "0",
      "node-monitor-period": "2s",
      "node-monitor-grace-period": "20s",
    }, now);
  }

  startScheduler(): void {
    this.#start("kube-scheduler", {
      "kubeconfig": this.kubeconfig("system:kube-scheduler"),
      "leader-elect": "false",
      "bind-address": "127.0.0.1",
      "secure-port": "0",
    });
  }

  /** Ends one part. Gives its exit code. */
  async stop(
    program: Program,
    signal: Deno.Signal = "SIGTERM",
  ): Promise<number> {
    const child = this.#running.get(program);
    this.#running.delete(program);
    // A graceful end of the API server waits for its watches.
    return await child?.stop(signal, 20_000) ?? 0;
  }

  /** Until the API server says that it is ready. @throws {Error} with its last lines */
  async ready(): Promise<void> {
    this.admin.reconnect();
    await isReadyAt(this.admin, this.child("kube-apiserver"));
  }

  /** The file of a kubeconfig for that user, with a certificate of its own. */
  kubeconfig(user: string, groups: readonly string[] = []): string {
    const file = join(
      this.options.folder,
      `${user.replaceAll(/[^\w.-]/g, "_")}.kubeconfig`,
    );
    const certificate = this.credentials.user(user, groups);
    Deno.writeTextFileSync(
      file,
      this.credentials.kubeconfig(this.url, certificate),
      { mode: 0o600 },
    );
    return file;
  }

  /** A client that is that user, by a certificate. The caller disposes of it. */
  as(user: string, groups: readonly string[] = []): KubeApi {
    const { cert, key } = this.credentials.user(user, groups);
    return new KubeApi(this.url, { ca: this.credentials.ca, cert, key });
  }

  /** A client with a bearer token. The caller disposes of it. */
  withToken(token: string): KubeApi {
    return new KubeApi(this.url, { ca: this.credentials.ca, token });
  }

  /** etcd forgets all versions before this moment: watches from there answer 410. */
  async compact(): Promise<void> {
    const url = `http://127.0.0.1:${this.#etcdPort}/v3/kv`;
    const post = async (path: string, body: unknown): Promise<unknown> => {
      const response = await fetch(`${url}/${path}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`Cannot ${path} etcd: ${text}`);
      return JSON.parse(text);
    };
    const { header } = await post("range", { key: btoa("/") }) as {
      readonly header: { readonly revision: string };
    };
    await post("compaction", { revision: header.revision, physical: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.admin[Symbol.dispose]();
    const all = [...this.#running.values(), ...this.#others];
    await Promise.all(all.map((child) => child.stop("SIGKILL")));
  }

  #serviceCidrs(): string {
    return (this.options.serviceCidrs ?? [DEFAULT_SERVICE_CIDR]).join(",");
  }

  #start(program: Program, own: Flags, now: Flags = {}): void {
    const { tools, folder, env, programs } = this.options;
    const flags = { ...own, ...this.options.flags?.[program], ...now };
    const path = programs?.[program] ?? tools.path(program);
    this.#running.set(
      program,
      startProgram(program, {
        command: [path, ...flagTexts(flags)],
        folder,
        env,
      }),
    );
  }

  async #answers(program: Program, url: string): Promise<void> {
    const child = this.child(program);
    await eventually(`${program} answers`, async () => {
      if (!child.running) throw new Error(`it ended: ${tail(child)}`);
      const response = await fetch(url).catch(() => undefined);
      await response?.body?.cancel();
      return response?.ok === true ? true : undefined;
    }, START_MS);
  }
}

async function isReadyAt(client: KubeApi, child: Child): Promise<void> {
  await eventually("the API server is ready", async () => {
    if (!child.running) throw new Error(`it ended: ${tail(child)}`);
    const answer = await client.call("GET", "/readyz").catch(() => {});
    return answer?.status === 200 ? true : undefined;
  }, START_MS).catch((cause) => {
    throw new Error(`Cannot start the API server: ${tail(child)}`, { cause });
  });
}

/** A long-running part, whose lines also go to a log file of the folder. */
export function startProgram(
  name: string,
  { command, folder, env }: {
    readonly command: readonly string[];
    readonly folder: string;
    readonly env?: Readonly<Record<string, string>> | undefined;
  },
): Child {
  const log = Deno.openSync(join(folder, `${name}.log`), {
    create: true,
    append: true,
  });
  const encoder = new TextEncoder();
  const child = new Child(name, command, {
    env,
    onLine: (line) => log.writeSync(encoder.encode(`${line}\n`)),
  });
  child.ended.finally(() => log.close());
  return child;
}

export function flagTexts(flags: Flags): readonly string[] {
  return Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}=${value}`]
  );
}

/** What it said last. */
export function tail(child: Child): string {
  return child.lines.slice(-4).join(" | ");
}

export function urlHost(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** Of the loopback; nobody else is in this namespace to take it in between. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

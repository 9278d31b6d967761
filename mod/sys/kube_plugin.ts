/**
 * Logins by a program (exec) or an identity provider (OIDC): the one thing that
 * `@kubernetes/client-node` is imported for, and only when it is needed, for it
 * costs 80 MB of memory.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import type { KubeConfig, User } from "@kubernetes/client-node";
import { errorText } from "../core/errors.ts";
import { Secret } from "./secret.ts";

export interface PluginCredentials {
  readonly clientCert: string | undefined;
  readonly clientKey: Secret | undefined;
  /** The value of the header. */
  readonly authorization: Secret | undefined;
}

/** Milliseconds that a program may take. */
const PATIENCE_MS = 60_000;

/** The login of the current context; it keeps what it got until that expires. */
export class PluginLogin {
  readonly #file: string;
  readonly #context: string;
  #config: KubeConfig | undefined;

  constructor(file: string, context: string) {
    this.#file = file;
    this.#context = context;
  }

  /** The server has refused what it got. */
  forget(): void {
    this.#config = undefined;
  }

  /** @throws {Error} one sentence */
  async credentials(): Promise<PluginCredentials> {
    try {
      this.#config ??= await load(this.#file, this.#context);
      return await withinPatience(ask(this.#config));
    } catch (error) {
      this.#config = undefined;
      throw new Error(
        `Cannot log in as kubeconfig ${this.#file} says: ${
          errorText(error).trim() || "the program failed and said nothing"
        }`,
      );
    }
  }
}

async function load(file: string, context: string): Promise<KubeConfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromFile(file);
  config.setCurrentContext(context);
  const user = config.getCurrentUser();
  if (user !== null) prepareProgram(user, dirname(file));
  return config;
}

/**
 * As client-go: a path is relative to the kubeconfig, and the program is told
 * what is expected of it. The library does neither.
 */
function prepareProgram(user: User, dir: string): void {
  const { exec } = user;
  if (typeof exec !== "object" || exec === null) return;
  if (typeof exec.command === "string" && exec.command.includes("/")) {
    exec.command = resolve(dir, exec.command);
  }
  const value = JSON.stringify({
    kind: "ExecCredential",
    apiVersion: exec.apiVersion ?? "client.authentication.k8s.io/v1",
    spec: { interactive: false },
  });
  const given = Array.isArray(exec.env) ? exec.env : [];
  exec.env = [...given, { name: "KUBERNETES_EXEC_INFO", value }];
}

async function ask(config: KubeConfig): Promise<PluginCredentials> {
  const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] = {};
  await config.applyToHTTPSOptions(options);
  const headers = new Headers(
    Object.entries(options.headers ?? {}).map(
      ([name, value]): [string, string] => [name, String(value)],
    ),
  );
  const header = headers.get("authorization");
  const clientCert = pem(options.cert);
  const clientKey = pem(options.key);
  return {
    clientCert,
    clientKey: clientKey === undefined ? undefined : new Secret(clientKey),
    authorization: header === null ? undefined : new Secret(header),
  };
}

function pem(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array
    ? new TextDecoder().decode(value)
    : undefined;
}

async function withinPatience<T>(promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)),
    PATIENCE_MS,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Logins by an identity provider (OIDC and others of `auth-provider`): the one
 * thing that `@kubernetes/client-node` is imported for, and only when it is
 * needed, for it costs 80 MB of memory.
 *
 * @module
 */

import type { KubeConfig } from "@kubernetes/client-node";
import { errorText } from "../core/errors.ts";
import type { Login, LoginCredentials } from "./kube_exec.ts";
import { Secret } from "./secret.ts";

/** Milliseconds that a provider may take. */
const PATIENCE_MS = 60_000;

/** The login of the current context; it keeps what it got until that expires. */
export class ProviderLogin implements Login {
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
  async credentials(): Promise<LoginCredentials> {
    try {
      this.#config ??= await load(this.#file, this.#context);
      return await withinPatience(ask(this.#config));
    } catch (error) {
      this.#config = undefined;
      throw new Error(
        `Cannot log in as kubeconfig ${this.#file} says: ${
          errorText(error).trim() || "the provider failed and said nothing"
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
  return config;
}

async function ask(config: KubeConfig): Promise<LoginCredentials> {
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

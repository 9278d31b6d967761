/**
 * Logins by a program, as client-go's credential plugins: it prints an
 * ExecCredential, which is kept until it expires or the server refuses it.
 *
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 *
 * @module
 */

import { resolve } from "node:path";
import { errorText } from "../core/errors.ts";
import { listOf, property } from "../wire/json.ts";
import { Secret } from "./secret.ts";

/** What a login gives, by a program or an identity provider. */
export interface LoginCredentials {
  readonly clientCert: string | undefined;
  readonly clientKey: Secret | undefined;
  /** The value of the header. */
  readonly authorization: Secret | undefined;
}

export interface LoginRequest {
  /** Of the kubeconfig as it is now: `exec` or `auth-provider` of the user. */
  readonly section: unknown;
  /** The cluster's, for programs that ask for it (`provideClusterInfo`). */
  readonly server: string;
  /** PEM. */
  readonly caCerts: readonly string[];
}

export interface Login {
  /** @throws {Error} one sentence */
  credentials(request: LoginRequest): Promise<LoginCredentials>;
  /** The server has refused what it got. */
  forget(): void;
}

interface Program {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly hint: string;
  readonly wantsCluster: boolean;
}

interface Kept {
  readonly credentials: LoginCredentials;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Milliseconds that a program may take. */
const PATIENCE_MS = 60_000;

export class ProgramLogin implements Login {
  readonly #file: string;
  readonly #dir: string;
  #kept: Kept | undefined;

  /** @param file the kubeconfig, for messages; `dir`: what a command with a slash is relative to */
  constructor(file: string, { dir }: { readonly dir: string }) {
    this.#file = file;
    this.#dir = dir;
  }

  forget(): void {
    this.#kept = undefined;
  }

  async credentials(request: LoginRequest): Promise<LoginCredentials> {
    if (this.#kept !== undefined && Date.now() < this.#kept.expires) {
      return this.#kept.credentials;
    }
    try {
      const program = parseProgram(request.section, this.#dir);
      this.#kept = parseCredential(await ask(program, request));
      return this.#kept.credentials;
    } catch (error) {
      this.#kept = undefined;
      throw new Error(
        `Cannot log in as kubeconfig ${this.#file} says: ${errorText(error)}`,
      );
    }
  }
}

function parseProgram(section: unknown, dir: string): Program {
  const text = (value: unknown, key: string): string => {
    const found = property(value, key);
    return typeof found === "string" ? found : "";
  };
  const command = text(section, "command");
  if (command === "") throw new Error("its exec section names no command");
  if (property(section, "interactiveMode") === "Always") {
    throw new Error(`${command} wants to ask somebody, and nobody is there`);
  }
  const env = listOf(property(section, "env")).map((
    each,
  ): [string, string] => [text(each, "name"), text(each, "value")]);
  return {
    apiVersion: text(section, "apiVersion") ||
      "client.authentication.k8s.io/v1",
    command: command.includes("/") ? resolve(dir, command) : command,
    args: listOf(property(section, "args")).map(String),
    env: Object.fromEntries(env.filter(([name]) => name !== "")),
    hint: text(section, "installHint").trim(),
    wantsCluster: property(section, "provideClusterInfo") === true,
  };
}

/** What it prints. It inherits our environment, whatever of it we may read. */
async function ask(program: Program, cluster: LoginRequest): Promise<string> {
  const { command, args, env, hint } = program;
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), PATIENCE_MS);
  try {
    const { success, code, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      env: { ...env, KUBERNETES_EXEC_INFO: execInfo(program, cluster) },
      signal: over.signal,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (over.signal.aborted) {
      throw new Error(`no answer within ${PATIENCE_MS / 1000} s`);
    }
    const text = new TextDecoder();
    if (success) return text.decode(stdout);
    const said = text.decode(stderr).trim();
    throw new Error(said || `${command} ended with ${code} and said nothing`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `there is no program ${command}${hint === "" ? "" : `: ${hint}`}`,
    );
  } finally {
    clearTimeout(timer);
  }
}

function execInfo(program: Program, cluster: LoginRequest): string {
  const ca = new TextEncoder().encode(cluster.caCerts.join(""));
  const info = {
    "server": cluster.server,
    ...(ca.length === 0 ? {} : { "certificate-authority-data": ca.toBase64() }),
  };
  return JSON.stringify({
    kind: "ExecCredential",
    apiVersion: program.apiVersion,
    spec: {
      interactive: false,
      ...(program.wantsCluster ? { cluster: info } : {}),
    },
  });
}

function parseCredential(text: string): Kept {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // Nothing of it goes into a message: it may be the token itself.
    throw new Error("the program's answer is no JSON");
  }
  const status = property(answer, "status");
  const one = (key: string): string | undefined => {
    const value = property(status, key);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const token = one("token");
  const clientCert = one("clientCertificateData");
  const clientKey = one("clientKeyData");
  // A header with anything else in it is refused in words that quote it.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new Error("the program's token has spaces or strange characters");
  }
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw new Error("the program gave one of certificate and key, not both");
  }
  if (token === undefined && clientCert === undefined) {
    throw new Error("the program gave neither a token nor a certificate");
  }
  const expires = Date.parse(one("expirationTimestamp") ?? "");
  return {
    expires: Number.isNaN(expires) ? Infinity : expires,
    credentials: {
      clientCert,
      clientKey: clientKey === undefined ? undefined : new Secret(clientKey),
      authorization: token === undefined
        ? undefined
        : new Secret(`Bearer ${token}`),
    },
  };
}

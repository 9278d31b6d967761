/**
 * Logins by an identity provider (OpenID Connect), as client-go's auth-provider
 * "oidc": the kubeconfig's ID token while it is valid, then those that its
 * refresh token gives. They are kept in memory; the file is not changed.
 *
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-kubectl
 * OpenID Connect Discovery 1.0, section 4; OpenID Connect Core 1.0, section 12
 *
 * @module
 */

import { resolve } from "node:path";
import { errorText } from "../core/errors.ts";
import { listOf, property } from "../wire/json.ts";
import { expiryOf } from "../wire/web_token.ts";
import type { Login, LoginCredentials, LoginRequest } from "./kube_exec.ts";
import { Secret } from "./secret.ts";

interface Provider {
  /** Without a slash at the end. */
  readonly issuer: string;
  readonly clientId: string;
  /** "": a public client. */
  readonly clientSecret: string;
  readonly idToken: string;
  readonly refreshToken: string;
  /** PEM; empty: the runtime's own authorities. */
  readonly caCerts: readonly string[];
}

/** What it gave last, and for which refresh token of the kubeconfig. */
interface Given {
  readonly idToken: string;
  readonly refreshToken: string;
  readonly origin: string;
}

/** Milliseconds that a provider may take. */
const PATIENCE_MS = 60_000;
/** Milliseconds before its end from which a token is not shown any more. */
const LEEWAY_MS = 10_000;

export class ProviderLogin implements Login {
  readonly #file: string;
  readonly #dir: string;
  #given: Given | undefined;
  /** Last shown, and the server would not have it. */
  #refused: string | undefined;
  #shown: string | undefined;

  /** @param file the kubeconfig, for messages; `dir`: its folder */
  constructor(file: string, { dir }: { readonly dir: string }) {
    this.#file = file;
    this.#dir = dir;
  }

  forget(): void {
    this.#refused = this.#shown;
  }

  async credentials({ section }: LoginRequest): Promise<LoginCredentials> {
    try {
      const provider = await parseProvider(section, this.#dir);
      this.#shown = await this.#token(provider);
      const authorization = new Secret(`Bearer ${this.#shown}`);
      return { clientCert: undefined, clientKey: undefined, authorization };
    } catch (error) {
      throw new Error(
        `Cannot log in as kubeconfig ${this.#file} says: ${errorText(error)}`,
      );
    }
  }

  async #token(provider: Provider): Promise<string> {
    const { idToken, refreshToken: origin } = provider;
    // Somebody who logged in again has written another refresh token.
    const given = this.#given?.origin === origin ? this.#given : undefined;
    for (const token of [given?.idToken ?? "", idToken]) {
      if (token !== this.#refused && isValid(token)) return token;
    }
    const last = given?.refreshToken ?? origin;
    const next = await refresh({ ...provider, refreshToken: last });
    this.#given = { ...next, origin };
    return next.idToken;
  }
}

async function parseProvider(
  section: unknown,
  dir: string,
): Promise<Provider> {
  const name = property(section, "name");
  if (name !== "oidc") {
    throw new Error(
      `auth-provider ${name} is not supported, nor by kubectl any more: take its exec plugin`,
    );
  }
  const config = property(section, "config");
  const text = (key: string): string => {
    const value = property(config, key);
    return typeof value === "string" ? value.trim() : "";
  };
  const data = text("idp-certificate-authority-data");
  const file = text("idp-certificate-authority");
  const ca = data === ""
    ? file === "" ? "" : await Deno.readTextFile(resolve(dir, file))
    : new TextDecoder().decode(Uint8Array.fromBase64(data));
  return {
    issuer: text("idp-issuer-url").replace(/\/+$/, ""),
    clientId: text("client-id"),
    clientSecret: text("client-secret"),
    idToken: text("id-token"),
    refreshToken: text("refresh-token"),
    caCerts: ca === "" ? [] : [ca],
  };
}

/** A token whose time is not over. The server checks the rest. */
function isValid(token: string): boolean {
  const end = expiryOf(token);
  return end !== undefined && Date.now() < end - LEEWAY_MS;
}

async function refresh(provider: Provider): Promise<Omit<Given, "origin">> {
  const { issuer, clientId, refreshToken, caCerts } = provider;
  if (refreshToken === "") {
    throw new Error("the ID token has expired, and there is no refresh token");
  }
  if (!URL.canParse(issuer) || !issuer.startsWith("https:")) {
    throw new Error("idp-issuer-url is not of the form https://HOST");
  }
  if (clientId === "") throw new Error("it names no client-id");
  using client = Deno.createHttpClient({ caCerts: [...caCerts] });
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), PATIENCE_MS);
  const ask = async (url: string, init: RequestInit): Promise<unknown> =>
    await answerOf(url, { ...init, client, signal: over.signal });
  try {
    const about = await ask(`${issuer}/.well-known/openid-configuration`, {});
    const said = String(property(about, "issuer")).replace(/\/+$/, "");
    if (said !== issuer) {
      throw new Error(`${issuer} says that it is ${JSON.stringify(said)}`);
    }
    const endpoint = property(about, "token_endpoint");
    if (typeof endpoint !== "string" || !endpoint.startsWith("https:")) {
      throw new Error(`${issuer} names no token_endpoint`);
    }
    const answer = await ask(endpoint, request(provider, about));
    const idToken = property(answer, "id_token");
    if (typeof idToken !== "string" || !isValid(idToken)) {
      throw new Error(`${issuer} gave no ID token that is valid`);
    }
    const next = property(answer, "refresh_token");
    return {
      idToken,
      refreshToken: typeof next === "string" ? next : refreshToken,
    };
  } finally {
    clearTimeout(timer);
  }
}

/** RFC 6749, sections 2.3.1 and 6. */
function request(
  { clientId, clientSecret, refreshToken }: Provider,
  about: unknown,
): RequestInit {
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: refreshToken,
  });
  const methods = listOf(
    property(about, "token_endpoint_auth_methods_supported"),
  );
  const inBody = clientSecret === "" ||
    (methods.length > 0 && !methods.includes("client_secret_basic"));
  if (!inBody) {
    const encode = (text: string): string =>
      new URLSearchParams([["", text]]).toString().slice(1);
    const pair = `${encode(clientId)}:${encode(clientSecret)}`;
    const headers = { authorization: `Basic ${btoa(pair)}` };
    return { method: "POST", body, headers, redirect: "error" };
  }
  body.set("client_id", clientId);
  if (clientSecret !== "") body.set("client_secret", clientSecret);
  return { method: "POST", body, redirect: "error" };
}

async function answerOf(
  url: string,
  init: RequestInit & { readonly client: Deno.HttpClient },
): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    const why = init.signal?.aborted === true
      ? `no answer within ${PATIENCE_MS / 1000} s`
      : errorText(error);
    throw new Error(`Cannot reach ${new URL(url).origin}: ${why}`);
  }
  const text = await response.text();
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch { /* a proxy's page: the status says more */ }
  if (response.ok) return answer;
  const said = ["error", "error_description"]
    .map((key) => property(answer, key))
    .filter((part) => typeof part === "string");
  throw new Error(
    `${new URL(url).origin} answered ${
      [response.status, ...said].join(" ").slice(0, 300)
    }`,
  );
}

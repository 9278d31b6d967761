import assert from "node:assert/strict";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import type { KubeAccess } from "../../mod/sys/kube_access.ts";
import { Authority } from "../support/certificates.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const HOUR_S = 3_600;

/** Unsigned: that is the server's to look at. */
function token(seconds: number, name: string): string {
  const part = (value: unknown): string =>
    new TextEncoder().encode(JSON.stringify(value))
      .toBase64({ alphabet: "base64url", omitPadding: true });
  const exp = Math.floor(Date.now() / 1_000) + seconds;
  return `${part({ alg: "none" })}.${part({ exp, name })}.`;
}

/** What a request for tokens held. */
interface Asked {
  readonly form: Readonly<Record<string, string>>;
  readonly authorization: string | null;
}

/** An identity provider over TLS; `answer` is its answer to the next request. */
class IdentityProvider {
  readonly asked: Asked[] = [];
  readonly ca: string;
  methods: readonly string[] | undefined;
  issuer = "";
  answer: () => Response = () => new Response("", { status: 500 });
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(dir: string) {
    const authority = Authority.create(dir);
    this.ca = authority.cert;
    const { cert, key } = authority.issue("/CN=idp", ["IP:127.0.0.1"]);
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", cert, key, onListen: () => {} },
      (request) => this.#handle(request),
    );
    this.issuer = this.url;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#server.addr.port}`;
  }

  async #handle(request: Request): Promise<Response> {
    if (request.url.endsWith("/.well-known/openid-configuration")) {
      return Response.json({
        issuer: this.issuer,
        token_endpoint: `${this.url}/token`,
        token_endpoint_auth_methods_supported: this.methods,
      });
    }
    const form = Object.fromEntries(new URLSearchParams(await request.text()));
    const authorization = request.headers.get("authorization");
    this.asked.push({ form, authorization });
    return this.answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

interface Scene {
  readonly provider: IdentityProvider;
  readonly access: KubeAccess;
  /** The header after a minute, when credentials are asked for anew. */
  header(): Promise<string | undefined>;
  /** Writes the kubeconfig's `auth-provider` anew. */
  write(config: Readonly<Record<string, string>>, name?: string): Promise<void>;
}

async function scene(
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  await using dir = await tempDir();
  await using provider = new IdentityProvider(dir.path);
  const file = `${dir.path}/config`;
  const write: Scene["write"] = async (config, name = "oidc") => {
    const user = { "auth-provider": { name, config } };
    await Deno.writeTextFile(
      file,
      JSON.stringify({
        "current-context": "here",
        contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
        clusters: [{ name: "c", cluster: { server: "https://192.0.2.1" } }],
        users: [{ name: "u", user }],
      }),
    );
  };
  await write({});
  const clock = new VirtualClock();
  const access = await openKubeAccess({
    ...{ kubeconfig: file, server: undefined, clock, env: {} },
  });
  const header = async (): Promise<string | undefined> => {
    await clock.advance(60_000);
    return (await access.credentials()).authorization?.expose();
  };
  await body({ provider, access, header, write });
}

/** Where nobody listens any more. */
function closedServer(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `https://127.0.0.1:${listener.addr.port}`;
}

function oidcTest(name: string, body: (scene: Scene) => Promise<void>): void {
  const ignore = skipped(name, { commands: ["openssl"] });
  Deno.test({ name, ignore, fn: () => scene(body) });
}

function config(
  { provider }: Scene,
  more: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return {
    "idp-issuer-url": provider.url,
    "idp-certificate-authority-data": btoa(provider.ca),
    "client-id": "cluster",
    "refresh-token": "r1",
    ...more,
  };
}

oidcTest(
  "an ID token is shown while it is valid, and nobody is asked",
  async (scene) => {
    const valid = token(HOUR_S, "first");
    await scene.write(config(scene, { "id-token": valid }));
    assert.equal(await scene.header(), `Bearer ${valid}`);
    assert.deepEqual(scene.provider.asked, []);
  },
);

oidcTest(
  "after it the refresh token gives another, and the next refresh token counts",
  async (scene) => {
    const { provider } = scene;
    await scene.write(config(scene, { "id-token": token(-1, "old") }));
    const second = token(HOUR_S, "second");
    provider.answer = () =>
      Response.json({ id_token: second, refresh_token: "r2" });
    assert.equal(await scene.header(), `Bearer ${second}`);
    assert.equal(await scene.header(), `Bearer ${second}`);
    assert.equal(provider.asked.length, 1);
    const third = token(HOUR_S, "third");
    provider.answer = () => Response.json({ id_token: third });
    scene.access.expire();
    assert.equal(await scene.header(), `Bearer ${third}`, "it was refused");
    const used = provider.asked.map(({ form }) => form["refresh_token"]);
    assert.deepEqual(used, ["r1", "r2"]);
    const fourth = token(HOUR_S, "fourth");
    await scene.write(
      config(scene, { "id-token": fourth, "refresh-token": "r9" }),
    );
    assert.equal(await scene.header(), `Bearer ${fourth}`, "a new login");
  },
);

oidcTest(
  "a client's secret goes where the provider wants it",
  async (scene) => {
    const { provider } = scene;
    const rows: readonly {
      readonly secret: string;
      readonly methods?: readonly string[];
      readonly basic: string | null;
      readonly inBody: string | undefined;
    }[] = [
      { secret: "", basic: null, inBody: undefined },
      {
        secret: "s:1",
        basic: `Basic ${btoa("cluster:s%3A1")}`,
        inBody: undefined,
      },
      {
        secret: "s:1",
        methods: ["client_secret_basic", "client_secret_post"],
        basic: `Basic ${btoa("cluster:s%3A1")}`,
        inBody: undefined,
      },
      {
        secret: "s:1",
        methods: ["client_secret_post"],
        basic: null,
        inBody: "s:1",
      },
    ];
    for (const [at, { secret, methods, basic, inBody }] of rows.entries()) {
      provider.methods = methods;
      provider.answer = () => Response.json({ id_token: token(HOUR_S, "x") });
      await scene.write(
        config(scene, { "client-secret": secret, "refresh-token": `r${at}` }),
      );
      await scene.header();
      const { form, authorization } = provider.asked.at(-1) ?? {};
      assert.equal(form?.["grant_type"], "refresh_token");
      assert.equal(authorization, basic);
      assert.equal(form?.["client_secret"], inBody);
      assert.equal(form?.["client_id"], basic === null ? "cluster" : undefined);
    }
  },
);

oidcTest(
  "what a provider or the kubeconfig lacks is said in one sentence, without a secret",
  async (scene) => {
    const { provider } = scene;
    const no = (body: unknown, status = 200): () => Response => () =>
      Response.json(body, { status });
    const rows: readonly {
      readonly more: Readonly<Record<string, string>>;
      readonly name?: string;
      readonly issuer?: string;
      readonly answer?: () => Response;
      readonly why: RegExp;
    }[] = [
      {
        more: {},
        name: "gcp",
        why:
          /says: auth-provider gcp is not supported, nor by kubectl any more: take its exec plugin$/,
      },
      {
        more: { "refresh-token": "" },
        why: /says: the ID token has expired, and there is no refresh token$/,
      },
      {
        more: { "idp-issuer-url": "http://127.0.0.1" },
        why: /says: idp-issuer-url is not of the form https:\/\/HOST$/,
      },
      { more: { "client-id": "" }, why: /says: it names no client-id$/ },
      {
        more: { "idp-issuer-url": closedServer() },
        why: /says: Cannot reach https:\/\/127\.0\.0\.1:\d+: .*refused/,
      },
      {
        more: {},
        issuer: "https://elsewhere",
        why: /says that it is "https:\/\/elsewhere"$/,
      },
      {
        more: {},
        answer: no({ error: "invalid_grant", error_description: "gone" }, 400),
        why: /answered 400 invalid_grant gone$/,
      },
      { more: {}, answer: no({}), why: /gave no ID token that is valid$/ },
      {
        more: {},
        answer: no({ id_token: "a b" }),
        why: /gave no ID token that is valid$/,
      },
      {
        more: {},
        answer: () => new Response("<html>", { status: 502 }),
        why: /answered 502$/,
      },
    ];
    for (const { more, name, issuer, answer, why } of rows) {
      provider.issuer = issuer ?? provider.url;
      provider.answer = answer ?? (() => new Response("", { status: 500 }));
      const secrets = {
        "refresh-token": "secret-r",
        "client-secret": "secret-c",
      };
      await scene.write(config(scene, { ...secrets, ...more }), name);
      await assert.rejects(scene.header(), (error: Error) => {
        assert.match(error.message, /^Cannot log in as kubeconfig /);
        assert.match(error.message, why);
        assert.doesNotMatch(error.message, /secret-|\n/);
        return true;
      });
    }
  },
);

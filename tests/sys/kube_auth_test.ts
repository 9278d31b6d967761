import assert from "node:assert/strict";
import { inspect } from "node:util";
import { FatalError } from "../../mod/core/errors.ts";
import type { Credentials, KubeAccess } from "../../mod/sys/kube_access.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { Random } from "../support/random.ts";
import { tempDir } from "../support/temp_dir.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
const OTHER = PEM.replace("AAAA", "BBBB");

/** A kubeconfig with one of each; `more` replaces or adds lines of cluster and user. */
function config(
  user: string,
  cluster = "server: https://192.0.2.1:6443",
): string {
  return `
apiVersion: v1
kind: Config
current-context: here
contexts:
- name: other
  context: {cluster: none, user: none}
- name: here
  context: {cluster: c1, user: u1}
clusters:
- name: c1
  cluster: {${cluster}}
users:
- name: u1
  user: {${user}}
`;
}

interface Opened {
  readonly access: KubeAccess;
  readonly clock: VirtualClock;
  credentials(): Promise<Credentials>;
}

async function open(
  kubeconfig: string | undefined,
  more: {
    readonly server?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly serviceAccountDir?: string;
  } = {},
): Promise<Opened> {
  const clock = new VirtualClock();
  const access = await openKubeAccess({
    kubeconfig,
    server: more.server,
    clock,
    env: more.env ?? {},
    ...more.serviceAccountDir === undefined
      ? {}
      : { serviceAccountDir: more.serviceAccountDir },
  });
  return { access, clock, credentials: () => access.credentials() };
}

/** With these files in a folder, the first a kubeconfig. */
async function withFiles(
  files: Readonly<Record<string, string | Uint8Array>>,
  body: (path: (name: string) => string) => Promise<void>,
): Promise<void> {
  await using dir = await tempDir();
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    await Deno.writeFile(`${dir.path}/${name}`, bytes);
  }
  await body((name) => `${dir.path}/${name}`);
}

const base64 = (text: string): string => btoa(text);

Deno.test("a kubeconfig's token, data and files all become credentials", async () => {
  const rows: readonly {
    readonly user: string;
    readonly cluster?: string;
    readonly expected: Partial<Record<keyof Credentials, unknown>>;
  }[] = [
    { user: "token: abc", expected: { authorization: "Bearer abc" } },
    { user: "tokenFile: token", expected: { authorization: "Bearer filed" } },
    {
      user: "token: abc, tokenFile: token",
      expected: { authorization: "Bearer filed" },
    },
    {
      user: "username: a, password: 'b:c'",
      expected: { authorization: `Basic ${base64("a:b:c")}` },
    },
    { user: "", expected: { authorization: undefined } },
    {
      user: "client-certificate: cert, client-key: key",
      expected: { clientCert: `${OTHER}\n`, clientKey: "KEY" },
    },
    {
      user: `client-certificate-data: ${base64(OTHER)}, client-key-data: ${
        base64("KEY\n")
      }, client-key: none`,
      expected: { clientCert: `${OTHER}\n`, clientKey: "KEY" },
    },
    {
      user: "",
      cluster: "server: 'https://a/', certificate-authority: ca",
      expected: { caCerts: [`${PEM}\n`] },
    },
    {
      user: "",
      cluster: `server: 'https://a', certificate-authority-data: ${
        base64(PEM)
      }`,
      expected: { caCerts: [`${PEM}\n`] },
    },
  ];
  for (const { user, cluster, expected } of rows) {
    const files = {
      config: config(user, cluster),
      token: "filed\n",
      cert: OTHER,
      key: "KEY\n",
      ca: PEM,
    };
    await withFiles(files, async (path) => {
      const { credentials } = await open(path("config"));
      const found = await credentials();
      const shown = {
        ...found,
        clientKey: found.clientKey?.expose(),
        authorization: found.authorization?.expose(),
      };
      for (const [key, value] of Object.entries(expected)) {
        assert.deepEqual(shown[key as keyof Credentials], value, user);
      }
    });
  }
});

Deno.test("--server replaces the kubeconfig's, slashes at the end go", async () => {
  await withFiles({ config: config("token: abc") }, async (path) => {
    const plain = await open(path("config"));
    assert.equal(plain.access.server, "https://192.0.2.1:6443");
    const server = "https://192.0.2.7/k8s/";
    const other = await open(path("config"), { server });
    assert.equal(other.access.server, "https://192.0.2.7/k8s");
    assert((await other.credentials()).authorization);
  });
  const alone = await open(undefined, { server: "http://192.0.2.7:8080" });
  assert.equal(alone.access.server, "http://192.0.2.7:8080");
  assert.equal((await alone.credentials()).authorization, undefined);
});

Deno.test("KUBECONFIG may list several: of each entry the first counts, missing files do not matter", async () => {
  const second = config("token: second").replace("current-context: here", "");
  const users = "users: [{name: u1, user: {token: first}}]";
  await withFiles({
    users,
    config: second,
    context: "current-context: here\ncontexts: []",
  }, async (path) => {
    const list = [path("none"), path("users"), path("config"), path("context")];
    const { credentials } = await open(undefined, {
      env: { KUBECONFIG: list.join(":") },
    });
    assert.equal((await credentials()).authorization?.expose(), "Bearer first");
  });
});

Deno.test("what cannot be honoured is refused in one sentence that names the file", async () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n` +
    "bcdefghij".split("").map((letter, at) => {
      const before = "abcdefghi"[at];
      return `${letter}: &${letter} [${Array(9).fill(`*${before}`).join(",")}]`;
    }).join("\n");
  const rows: readonly (readonly [string | Uint8Array, RegExp])[] = [
    ["", /it is empty$/],
    ["\n \n", /it is empty$/],
    ["a: [1", /it is not YAML: .+ \(line \d+\)$/],
    ["\ttoken: x", /it is not YAML/],
    ["x: 1\nx: 2", /it is not YAML/],
    [`a: ${"[".repeat(5000)}`, /it is not YAML/],
    [bomb + "\nz: " + "*j ".repeat(3), /it is not YAML/],
    [bomb, /it (has no clusters, users or contexts|is not YAML: .*alias.*)/],
    [new Uint8Array([97, 58, 0, 98]), /it has NUL bytes$/],
    [`a: ${"x".repeat(1024 * 1024)}`, /larger than 1 MiB$/],
    ["just text", /no clusters, users or contexts$/],
    ["[]", /no clusters, users or contexts$/],
    ["null", /no clusters, users or contexts$/],
    [
      "clusters: []",
      /no current-context; set one with kubectl config use-context$/,
    ],
    ["clusters: []\ncurrent-context: x", /it has no context "x"$/],
    [
      "clusters: 7\ncurrent-context: x\ncontexts: {x: y}",
      /it has no context "x"$/,
    ],
    [
      "current-context: 7\ncontexts: []",
      /current-context that is no text: put it in quotes$/,
    ],
    [
      config("").replace("cluster: c1", "cluster: c2"),
      /it has no cluster "c2"$/,
    ],
    [
      config("").replace("cluster: c1, ", ""),
      /context "here" names no cluster$/,
    ],
    [config("").replace("user: u1", "user: u2"), /it has no user "u2"$/],
    [
      config("", "server: 192.0.2.1:6443"),
      /cluster "c1" has no server of the form/,
    ],
    [config("", "server: ftp://a"), /cluster "c1" has no server of the form/],
    [config("", "server: 7"), /has server that is no text/],
    [config("", ""), /has no server/],
    [
      config("", "server: https://a, insecure-skip-tls-verify: true"),
      /insecure-skip-tls-verify, which is not supported: name the authority/,
    ],
    [
      config("", "server: https://a, tls-server-name: b"),
      /tls-server-name, which is not supported/,
    ],
    [
      config("", "server: https://a, proxy-url: ftp://b"),
      /proxy-url that is neither/,
    ],
    [
      config("", "server: https://a, certificate-authority-data: '***'"),
      /certificate-authority-data that is not base64$/,
    ],
    [
      config("token: 7"),
      /user "u1" has token that is no text: put it in quotes$/,
    ],
    [config("client-key: k"), /one of client-certificate and client-key/],
    [config("as: admin"), /impersonation is not supported$/],
  ];
  for (const [content, pattern] of rows) {
    await withFiles({ config: content }, async (path) => {
      await assert.rejects(open(path("config")), (error: unknown) => {
        assert(error instanceof FatalError);
        assert.match(error.message, pattern);
        assert(error.message.includes(path("config")), error.message);
        assert(!error.message.includes("\n"), error.message);
        return true;
      });
    });
  }
});

Deno.test("a kubeconfig that is not there or cannot be read says so", async () => {
  await withFiles({}, async (path) => {
    const file = path("config");
    await assert.rejects(open(file), {
      message: `Cannot read the kubeconfig ${file}: no such file`,
    });
    await Deno.mkdir(file);
    await assert.rejects(open(file), {
      message: `Cannot read the kubeconfig ${file}: it is a directory`,
    });
  });
  await assert.rejects(open(undefined), /--kubeconfig FILE .* or --server URL/);
});

Deno.test("a malformed kubeconfig's secrets stay out of the message", async () => {
  const secret = "s3cr3t-t0ken";
  for (
    const text of [
      `users: [{user: {token: ${secret}]`,
      `users:\n  token: "${secret}\n`,
      `token: *${secret}`,
      `${secret}: 1\n${secret}: 2`,
      `a: !${secret} x`,
    ]
  ) {
    await withFiles({ config: text }, async (path) => {
      await assert.rejects(open(path("config")), (error: unknown) => {
        assert(!inspect(error).includes(secret), inspect(error));
        return true;
      });
    });
  }
});

Deno.test("a byte order mark, CRLF and JSON are a kubeconfig like any other", async () => {
  const text = config("token: abc");
  const json = JSON.stringify({
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://a" } }],
    users: [{ name: "u", user: { token: "abc" } }],
  });
  for (const one of [`\ufeff${text}`, text.replaceAll("\n", "\r\n"), json]) {
    await withFiles({ config: one }, async (path) => {
      const { credentials } = await open(path("config"));
      assert.equal((await credentials()).authorization?.expose(), "Bearer abc");
    });
  }
});

Deno.test("credentials that cannot be read are said when they are used", async () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["tokenFile: none", /^Error: Cannot read the token .*none: no such file$/],
    ["tokenFile: empty", /^Error: Cannot read the token .*empty: it is empty$/],
    [
      "tokenFile: lines",
      /^Error: Cannot use the token .*lines: it is no token/,
    ],
    [
      "client-certificate: lines, client-key: lines",
      /^Error: Cannot read the client certificate .*lines: it holds no certificate in PEM$/,
    ],
  ];
  for (const [user, pattern] of rows) {
    const files = { config: config(user), empty: " \n", lines: "a\nb" };
    await withFiles(files, async (path) => {
      const { credentials } = await open(path("config"));
      await assert.rejects(credentials(), pattern);
    });
  }
});

Deno.test("a rotated token is read within 60 s, and at once after a refusal", async () => {
  await withFiles(
    { config: config("tokenFile: token"), token: "one" },
    async (path) => {
      const { access, clock, credentials } = await open(path("config"));
      const token = async (): Promise<string | undefined> =>
        (await credentials()).authorization?.expose();
      assert.equal(await token(), "Bearer one");
      await Deno.writeTextFile(path("token"), "two");
      await clock.advance(59_000);
      assert.equal(await token(), "Bearer one");
      await clock.advance(1_000);
      assert.equal(await token(), "Bearer two");
      await Deno.writeTextFile(path("token"), "three");
      access.expire();
      assert.equal(await token(), "Bearer three");
      // In the middle of a rotation the file is away for a moment.
      await Deno.remove(path("token"));
      await clock.advance(60_000);
      assert.equal(await token(), "Bearer three");
      await clock.advance(61_000);
      await assert.rejects(token());
    },
  );
});

Deno.test("a kubeconfig written anew is read again", async () => {
  await withFiles({ config: config("token: one") }, async (path) => {
    const { clock, credentials } = await open(path("config"));
    await credentials();
    await Deno.writeTextFile(path("config"), config("token: two"));
    await clock.advance(60_000);
    assert.equal((await credentials()).authorization?.expose(), "Bearer two");
  });
});

Deno.test("in a pod the ServiceAccount is the way, through a rotated symbolic link too", async () => {
  await withFiles({ "token": "one", "ca.crt": PEM }, async (path) => {
    const env = {
      KUBERNETES_SERVICE_HOST: "fd00::1",
      KUBERNETES_SERVICE_PORT: "6443",
    };
    const serviceAccountDir = path(".");
    const { access, clock, credentials } = await open(undefined, {
      env,
      serviceAccountDir,
    });
    assert.equal(access.server, "https://[fd00::1]:6443");
    assert.equal((await credentials()).authorization?.expose(), "Bearer one");
    assert.deepEqual((await credentials()).caCerts, [`${PEM}\n`]);
    // As kubelet does it: the folder behind ..data changes by one rename.
    await Deno.remove(path("token"));
    await Deno.mkdir(path("new"));
    await Deno.writeTextFile(path("new/token"), "two");
    await Deno.symlink("new", path("..data"));
    await Deno.symlink("..data/token", path("token"));
    await clock.advance(60_000);
    assert.equal((await credentials()).authorization?.expose(), "Bearer two");
    const direct = await open(undefined, {
      env,
      serviceAccountDir,
      server: "https://192.0.2.1:6443",
    });
    assert.equal(direct.access.server, "https://192.0.2.1:6443");
    // The pod's token never goes over plain HTTP.
    const plain = await open(undefined, {
      env,
      serviceAccountDir,
      server: "http://192.0.2.1",
    });
    assert.equal((await plain.credentials()).authorization, undefined);
  });
  await withFiles({}, async (path) => {
    await assert.rejects(
      open(undefined, {
        env: { KUBERNETES_SERVICE_HOST: "10.96.0.1" },
        serviceAccountDir: path("."),
      }),
      /^FatalError: Cannot read the pod's token .*token: no such file$/,
    );
  });
});

Deno.test("credentials print as placeholders", async () => {
  await withFiles({ config: config("token: s3cr3t") }, async (path) => {
    const { access, credentials } = await open(path("config"));
    const found = await credentials();
    for (
      const text of [
        inspect(found, { depth: 9, showHidden: true }),
        Deno.inspect(found),
        JSON.stringify(found),
        String(found.authorization),
        inspect(access),
      ]
    ) {
      assert(!text.includes("s3cr3t"), text);
    }
  });
});

Deno.test("a login by a program is asked for, kept, and asked again after a refusal", async () => {
  const exec =
    "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, args: [x], interactiveMode: Never}";
  const script = `#!/bin/sh
cd "$(dirname "$0")"
echo "$KUBERNETES_EXEC_INFO" >>calls
printf '{"kind":"ExecCredential","status":{"token":"%s-%s"}}' "$1" "$(wc -l <calls | tr -d ' ')"
`;
  await withFiles({ config: config(exec), login: script }, async (path) => {
    await Deno.chmod(path("login"), 0o755);
    const { access, clock, credentials } = await open(path("config"));
    const token = async (): Promise<string | undefined> =>
      (await credentials()).authorization?.expose();
    assert.equal(await token(), "Bearer x-1");
    await clock.advance(60_000);
    assert.equal(await token(), "Bearer x-1");
    access.expire();
    assert.equal(await token(), "Bearer x-2");
    const [info = ""] = (await Deno.readTextFile(path("calls"))).split("\n");
    assert.deepEqual(JSON.parse(info).spec, { interactive: false });
    await Deno.writeTextFile(
      path("login"),
      "#!/bin/sh\necho no such tenant >&2; exit 1\n",
    );
    access.expire();
    await assert.rejects(
      token(),
      /^Error: Cannot log in as kubeconfig .*: no such tenant$/,
    );
  });
});

/** A program that prints this, and leaves what it was given beside it. */
function program(answer: unknown): string {
  const text = typeof answer === "string" ? answer : JSON.stringify(answer);
  return `#!/bin/sh
cd "$(dirname "$0")"
echo called >>calls
env >inherited
cat <<'END'
${text}
END
`;
}

Deno.test("a program inherits the environment, and learns of the cluster where it asks", async () => {
  const exec =
    "exec: {command: ./login, provideClusterInfo: true, env: [{name: GIVEN, value: yes it is}]}";
  const cluster = `server: 'https://a:1', certificate-authority-data: ${
    base64(PEM)
  }`;
  const files = {
    config: config(exec, cluster),
    login: program({ status: { token: "abc" } }),
  };
  await withFiles(files, async (path) => {
    await Deno.chmod(path("login"), 0o755);
    const { credentials } = await open(path("config"));
    assert.equal((await credentials()).authorization?.expose(), "Bearer abc");
    const inherited = await Deno.readTextFile(path("inherited"));
    assert.match(inherited, /^PATH=/m);
    assert.match(inherited, /^GIVEN=yes it is$/m);
    const [, info = ""] = /^KUBERNETES_EXEC_INFO=(.*)$/m.exec(inherited) ?? [];
    assert.deepEqual(JSON.parse(info), {
      kind: "ExecCredential",
      apiVersion: "client.authentication.k8s.io/v1",
      spec: {
        interactive: false,
        cluster: {
          "server": "https://a:1",
          "certificate-authority-data": base64(`${PEM}\n`),
        },
      },
    });
  });
});

Deno.test("what a program gives is kept until it expires", async () => {
  const until = (milliseconds: number): string =>
    new Date(Date.now() + milliseconds).toISOString();
  const rows = [
    { expirationTimestamp: until(3_600_000), calls: 1 },
    { expirationTimestamp: until(-1_000), calls: 2 },
  ];
  for (const { expirationTimestamp, calls } of rows) {
    const status = {
      clientCertificateData: PEM,
      clientKeyData: "KEY",
      expirationTimestamp,
    };
    const files = {
      config: config("exec: {command: ./login}"),
      login: program({ status }),
    };
    await withFiles(files, async (path) => {
      await Deno.chmod(path("login"), 0o755);
      const { clock, credentials } = await open(path("config"));
      const { clientCert, clientKey } = await credentials();
      assert.deepEqual([clientCert, clientKey?.expose()], [PEM, "KEY"]);
      await clock.advance(60_000);
      await credentials();
      const said = await Deno.readTextFile(path("calls"));
      assert.equal(said, "called\n".repeat(calls));
    });
  }
});

Deno.test("a program that is not there or gives no credentials is named in one sentence", async () => {
  const rows: readonly (readonly [string, unknown, string])[] = [
    ["command: ''", {}, "its exec section names no command"],
    [
      "command: no-such-login, installHint: get one",
      {},
      "there is no program no-such-login: get one",
    ],
    [
      "command: ./login, interactiveMode: Always",
      {},
      "./login wants to ask somebody, and nobody is there",
    ],
    ["command: ./login", "abc", "the program's answer is no JSON"],
    [
      "command: ./login",
      {},
      "the program gave neither a token nor a certificate",
    ],
    [
      "command: ./login",
      { status: { token: "a b" } },
      "the program's token has spaces or strange characters",
    ],
    [
      "command: ./login",
      { status: { token: "abc", clientKeyData: "KEY" } },
      "the program gave one of certificate and key, not both",
    ],
  ];
  for (const [section, answer, why] of rows) {
    const files = {
      config: config(`exec: {${section}}`),
      login: program(answer),
    };
    await withFiles(files, async (path) => {
      await Deno.chmod(path("login"), 0o755);
      const { credentials } = await open(path("config"));
      const file = path("config");
      await assert.rejects(credentials(), {
        message: `Cannot log in as kubeconfig ${file} says: ${why}`,
      });
    });
  }
});

Deno.test("whatever a kubeconfig is made of, it opens or is refused in one sentence", async () => {
  const text = config(
    "token: abc, client-certificate: a, client-key: b",
    "server: https://192.0.2.1:6443, certificate-authority-data: QUFB",
  );
  const source = new TextEncoder().encode(text);
  const strange = [
    ..."\0\t\r\n:-?*&!|>%@`\"'{}[]#,~",
    "<<: *a",
    "\ufeff",
    "\ud83d\ude00",
  ];
  await using dir = await tempDir();
  const file = `${dir.path}/config`;
  for (let seed = 1; seed <= 400; seed++) {
    const random = new Random(seed);
    let mutant = source;
    for (let hits = random.below(6); hits >= 0; hits--) {
      const at = random.below(mutant.length);
      const piece = random.chance(0.5)
        ? new TextEncoder().encode(random.pick(strange))
        : random.bytes(random.below(3));
      const rest = at + random.below(random.pick([1, 2, 40]));
      mutant = new Uint8Array([
        ...mutant.slice(0, at),
        ...piece,
        ...mutant.slice(rest),
      ]);
    }
    await Deno.writeFile(file, mutant);
    try {
      await open(file);
    } catch (error) {
      assert(error instanceof FatalError, `seed ${seed}: ${error}`);
      assert(!error.message.includes("\n"), `seed ${seed}: ${error.message}`);
    }
  }
});

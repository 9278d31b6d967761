import assert from "node:assert/strict";
import { commitOf } from "../../deploy/entry.ts";
import { VERSION } from "../../mod/core/version.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function clusternet(...args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

Deno.test("the version is that of deno.json", async () => {
  const text = await Deno.readTextFile(
    new URL("../../deno.json", import.meta.url),
  );
  assert.equal(JSON.parse(text).version, VERSION);
});

Deno.test("clusternet version says version, commit, Deno, machine and build kind", async () => {
  const { code, stdout } = await clusternet("version");
  assert.equal(code, 0);
  const [, version, commit] =
    /^clusternet (\S+) \(commit ([0-9a-f]{12}|unknown), Deno [\d.]+, V8 \S+, \w+, build source\)\n$/
      .exec(stdout) ?? assert.fail(stdout);
  assert.equal(version, VERSION);
  const hash = await commitOf(new URL("../../", import.meta.url));
  assert.equal(commit, hash?.replace("-dirty", "") ?? "unknown");
});

Deno.test("clusternet help lists the commands, and needs nothing", async () => {
  const { code, stdout, stderr } = await clusternet("help");
  assert.equal(code, 0);
  assert.equal(stderr, "");
  for (
    const command of ["run", "install", "uninstall", "graph", "version", "help"]
  ) {
    assert.match(stdout, new RegExp(`^  ${command} `, "m"));
  }
});

Deno.test("what is no command is one sentence and exit code 2", async () => {
  for (const args of [[], ["dance"], ["version", "now"]]) {
    const { code, stdout, stderr } = await clusternet(...args);
    assert.equal(code, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, /^clusternet: [^\n]+\n$/);
  }
});

Deno.test("clusternet graph without an agent, or of an unknown kind, is one sentence", async () => {
  const unknown = await clusternet("graph", "-o", "png");
  assert.equal(unknown.code, 2);
  assert.match(
    unknown.stderr,
    /^clusternet: Cannot use --output png: give one of svg, dot, mermaid, json\n$/,
  );
  const half = await clusternet("graph", "--context", "x");
  assert.deepEqual([half.code, half.stderr], [
    2,
    "clusternet: Cannot use --context alone: it is that of --all\n",
  ]);
  const alone = await clusternet("graph", "--interface", "nobody0");
  assert.equal(alone.code, 1);
  assert.match(
    alone.stderr,
    /^clusternet: No agent runs [^\n]*nobody0[^\n]*\n$/,
  );
});

Deno.test("status refuses in one sentence flags that do not go together", async () => {
  const rows = [
    [["--wait", "--watch"], "--wait with --watch: choose one of them"],
    [["--wait", "--no-probe"], "--wait with --no-probe: choose one of them"],
    [["--all", "--timeout", "5s"], "--timeout alone: it is that of --wait"],
    [
      ["--all", "-o", "json.gz"],
      "--output=json.gz with --all: choose one of them",
    ],
    [
      ["--all", "--watch", "-o", "json"],
      "--watch with --all and -o json: it shows text; a loop around `clusternet status --all -o json` does the same",
    ],
  ] as const;
  for (const [flags, sentence] of rows) {
    const { code, stdout, stderr } = await clusternet("status", ...flags);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.equal(stderr, `clusternet: Cannot use ${sentence}\n`);
  }
});

Deno.test("--all --wait does not wait for a kubeconfig that is not there", async () => {
  const { code, stderr } = await clusternet(
    ...["status", "--all", "--wait", "--kubeconfig", "/nowhere/config"],
  );
  assert.equal(code, 1);
  assert.match(stderr, /^clusternet: [^\n]*nowhere\/config[^\n]*\n$/);
});

Deno.test("--all --wait waits for an API server that is away, and says so once the time is over", async () => {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr;
  server.close();
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(
    file,
    JSON.stringify({
      clusters: [{
        name: "c",
        cluster: { server: `http://127.0.0.1:${port}` },
      }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      users: [{ name: "u", user: {} }],
      "current-context": "x",
    }),
  );
  const { code, stdout, stderr } = await clusternet(
    ...["status", "--all", "--wait", "--timeout", "2s", "--kubeconfig", file],
  );
  await Deno.remove(file);
  assert.deepEqual([code, stdout], [1, ""]);
  const [waiting, sentence, ...more] = stderr.trimEnd().split("\n");
  assert.match(
    waiting ?? "",
    /^waiting: Cannot reach the API server .*refused/,
  );
  assert.match(
    sentence ?? "",
    /^clusternet: Not all stands after 2 s: Cannot reach the API server/,
  );
  assert.deepEqual(more, []);
});

Deno.test("--all with a kubeconfig that is not there, or is none, is one sentence", async () => {
  for (const command of ["status", "graph", "doctor"]) {
    for (
      const [file, says] of [
        ["/nowhere/config", /nowhere\/config/],
        [MAIN, /main\.ts/],
      ] as const
    ) {
      const { code, stdout, stderr } = await clusternet(
        ...[command, "--all", "--kubeconfig", file],
      );
      assert.deepEqual([code, stdout], [1, ""], stderr);
      assert.match(stderr, /^clusternet: [^\n]+\n$/);
      assert.match(stderr, says);
    }
  }
});

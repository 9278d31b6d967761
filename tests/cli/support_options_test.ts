import assert from "node:assert/strict";
import { parseSupport } from "../../mod/cli/support_options.ts";
import { FatalError } from "../../mod/core/errors.ts";

const NONE = (): undefined => undefined;

function parse(line: string): ReturnType<typeof parseSupport> {
  return parseSupport(line.split(" ").filter((word) => word !== ""), NONE);
}

Deno.test("parseSupport() tells a bundle of this machine from that of a cluster", () => {
  const own = parse("-o x --kubeconfig k --interface cn0 --once");
  assert.deepEqual(own, {
    kind: "own",
    output: "x",
    flags: ["--kubeconfig=k", "--interface=cn0", "--once=true"],
    run: new Map([["kubeconfig", "k"], ["interface", "cn0"]]),
  });
  const all = parse(
    "--all --kubeconfig k --context c --node a,b --node a -o -",
  );
  assert.deepEqual(all, {
    kind: "cluster",
    output: "-",
    kubeconfig: "k",
    context: "c",
    annotation: "clusternet.dev/wg-pubkey",
    nodes: ["a", "b"],
  });
  const variables = (name: string): string | undefined =>
    name === "CLUSTERNET_ANNOTATION" ? "example.org/key" : undefined;
  const given = parseSupport(["--all"], variables);
  assert.equal(given.kind === "cluster" && given.annotation, "example.org/key");
});

Deno.test("parseSupport() refuses a variable that is no annotation, where a cluster is asked", () => {
  const variables = (name: string): string | undefined =>
    name === "CLUSTERNET_ANNOTATION" ? "bad key!" : undefined;
  assert.throws(
    () => parseSupport(["--all"], variables),
    (error) =>
      error instanceof FatalError && error.exitCode === 2 &&
      error.message.startsWith("Cannot use --annotation bad key!: "),
  );
  assert.equal(parseSupport([], variables).kind, "own");
});

for (
  const [line, says] of [
    ["--node n1", /^Cannot use --node alone: it is that of --all$/],
    ["--context c", /^Cannot use --context alone: it is that of --all$/],
    ["--all --mtu 1400", /^Cannot use --mtu with --all: /],
    ["--all --interface x", /^Cannot use --interface with --all: /],
    ["--all --node a,,b", /^Cannot use --node a,,b: a name is missing$/],
    ["--all --annotation /", /^Cannot use --annotation \/: /],
    ["--nodes n1", /did you mean --node\?/],
  ] as const
) {
  Deno.test(`parseSupport() refuses ${line}`, () => {
    assert.throws(() => parse(line), (error) => {
      assert.ok(error instanceof FatalError && error.exitCode === 2);
      assert.match(error.message, says);
      return true;
    });
  });
}

import assert from "node:assert/strict";
import { parsePair, wantsPair } from "../../mod/cli/doctor_pair_options.ts";
import { nearest } from "../../mod/core/flags.ts";

const NO_VARIABLES = (): undefined => undefined;

Deno.test("parsePair() takes two words after --pair, or one with a comma", () => {
  for (
    const args of [
      ["--pair", "n1", "n2"],
      ["--pair", "n1,n2"],
      ["--pair=n1,n2"],
      ["-o", "json", "--pair", "n1", "n2", "--kubeconfig", "f"],
    ]
  ) {
    assert.ok(wantsPair(args));
    assert.deepEqual(parsePair(args, NO_VARIABLES).names, ["n1", "n2"]);
  }
  assert.ok(!wantsPair(["--only", "rbac"]));
});

Deno.test("parsePair() takes the annotation of a flag, else of the agent's variable", () => {
  const variables = (name: string): string | undefined =>
    ({ CLUSTERNET_ANNOTATION: "a.example/key", CLUSTERNET_INTERFACE: "wg7" })[
      name
    ];
  const args = ["--pair", "n1", "n2"];
  assert.equal(parsePair(args, variables).annotation, "a.example/key");
  assert.equal(
    parsePair([...args, "--annotation=b.example/key"], variables).annotation,
    "b.example/key",
  );
  assert.equal(
    parsePair(args, NO_VARIABLES).annotation,
    "clusternet.dev/wg-pubkey",
  );
});

Deno.test("parsePair() refuses in one sentence what is no pair", () => {
  for (
    const [args, sentence] of [
      [["--pair"], /name two Nodes, as in --pair n1 n2$/],
      [["--pair", "n1"], /^Cannot use --pair n1: name two Nodes/],
      [["--pair", "n1", "n2", "n3"], /^Cannot use --pair n1,n2,n3: name two/],
      [["--pair", "n1", "n1"], /a Node reaches itself without a tunnel/],
      [["--pair", "n1", "n2", "-o", "yaml"], /there are text and json/],
      [["--pair", "n1", "n2", "--only", "rbac"], /^Unknown flag --only/],
      [["--pair=a,b", "--pair=a,b"], /^Cannot use --pair twice/],
    ] as const
  ) {
    assert.throws(
      () => parsePair(args, NO_VARIABLES),
      (error: Error & { readonly exitCode?: number }) =>
        sentence.test(error.message) && error.exitCode === 2,
      args.join(" "),
    );
  }
});

Deno.test("nearest() gives the name that was meant, and none where none is near", () => {
  const names = ["worker-1", "worker-2", "control"];
  assert.equal(nearest("worker1", names), "worker-1");
  assert.equal(nearest("contrl", names), "control");
  assert.equal(nearest("database", names), undefined);
});

import assert from "node:assert/strict";
import { DEMO_HELP, parseDemoArgs } from "./demo_options.ts";

Deno.test("parseDemoArgs() reads what the help lists", () => {
  const plain = { nodes: 3, seed: 99, keep: false, install: true };
  assert.deepEqual(parseDemoArgs([], 99), plain);
  assert.deepEqual(parseDemoArgs(["--"], 99), plain);
  assert.deepEqual(
    parseDemoArgs(["--nodes", "50", "--seed=4294967295"], 99),
    { ...plain, nodes: 50, seed: 4294967295 },
  );
  assert.deepEqual(
    parseDemoArgs(["--keep", "--no-install"], 99),
    { ...plain, keep: true, install: false },
  );
  assert.equal(parseDemoArgs(["--help", "--keep"], 99), "help");
  assert.ok(DEMO_HELP.split("\n").every((line) => line.length <= 88));
});

Deno.test("parseDemoArgs() refuses the rest in one sentence", () => {
  const cases = [
    ["--nodes", "1"],
    ["--nodes", "51"],
    ["--nodes", "3.5"],
    ["--nodes", "0x3"],
    ["--nodes", ""],
    ["--nodes"],
    ["--seed", "-1"],
    ["--seed", "4294967296"],
    ["--node", "3"],
    ["--keep=yes"],
    ["extra"],
  ];
  for (const args of cases) {
    assert.throws(() => parseDemoArgs(args, 1), (error) => {
      assert.ok(error instanceof SyntaxError, args.join(" "));
      assert.match(error.message, /^[A-Z][^\n]*[^.\n]$/, args.join(" "));
      return true;
    });
  }
});

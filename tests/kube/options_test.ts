import assert from "node:assert/strict";
import { parseClusterArgs } from "./options.ts";

Deno.test("parseClusterArgs() reads every option, and has a default for each", () => {
  assert.deepEqual(parseClusterArgs([]), {
    nodes: 2,
    dualStack: false,
    proxy: "nftables",
    install: true,
  });
  const all = [
    ...["--nodes", "3", "--dual-stack", "--proxy=none", "--no-install"],
  ];
  assert.deepEqual(parseClusterArgs(all), {
    nodes: 3,
    dualStack: true,
    proxy: undefined,
    install: false,
  });
  assert.equal(parseClusterArgs(["--help"]), "help");
});

Deno.test("parseClusterArgs() refuses what it does not know in one sentence", () => {
  const rows: readonly (readonly [readonly string[], RegExp])[] = [
    [["--nodes", "0"], /^Cannot use --nodes 0: write a whole number from 1/],
    [["--nodes", "x"], /^Cannot use --nodes x: write/],
    [["--proxy", "ipvs"], /^Cannot use --proxy ipvs: write nftables/],
    [["now"], /^Cannot use "now": it takes only options$/],
    [["--node"], /^Unknown option '--node'/],
  ];
  for (const [args, message] of rows) {
    assert.throws(() => parseClusterArgs(args), {
      name: "SyntaxError",
      message,
    });
  }
});

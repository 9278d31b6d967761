import assert from "node:assert/strict";
import { optionRows, parseFlags } from "../../mod/core/flags.ts";

const COMMAND = {
  name: "plan",
  options: [
    {
      name: "output",
      short: "o",
      metavar: "FORMAT",
      fallback: "text",
      help: "text or json.",
    },
  ],
};

Deno.test("parseFlags() takes one letter for a name, where the option has one", () => {
  assert.equal(parseFlags(["-o", "json"], COMMAND).get("output")?.text, "json");
  for (
    const [args, sentence] of [
      [["-o"], /^Cannot use --output: it needs a value, --output FORMAT$/],
      [["-o", "json", "--output", "text"], /^Cannot use --output twice/],
      [["-x", "json"], /^Unknown flag -x: flags are written --name VALUE/],
    ] as const
  ) {
    assert.throws(
      () => parseFlags(args, COMMAND),
      (error: Error) => sentence.test(error.message),
    );
  }
});

Deno.test("optionRows() shows the letter before the name", () => {
  assert.deepEqual(optionRows(COMMAND.options), [
    "  -o, --output FORMAT  text or json. [text]",
  ]);
});

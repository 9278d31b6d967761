import assert from "node:assert/strict";
import { FatalError } from "../../mod/core/errors.ts";
import {
  type Installed,
  installedText,
  parseInstalled,
} from "../../mod/core/installed.ts";

const FILE = "/var/lib/clusternet/installed.json";

const SOME: Installed = {
  version: "0.1.0",
  complete: true,
  files: [{ path: "/etc/unit", digests: ["a".repeat(64)], config: false }],
  directories: ["/etc/clusternet"],
};

Deno.test("parseInstalled() reads what installedText() wrote", () => {
  assert.deepEqual(parseInstalled(installedText(SOME), FILE), SOME);
});

Deno.test("parseInstalled() refuses what is damaged or newer in one sentence", () => {
  const whole: object = JSON.parse(installedText(SOME));
  const rows: readonly [string, RegExp][] = [
    ["", /it is damaged/],
    [installedText(SOME).slice(0, 40), /it is damaged/],
    [JSON.stringify({ ...whole, format: 2 }), /of format 2, and .* knows 1/],
    [JSON.stringify({ ...whole, format: 0 }), /it is damaged/],
    [
      JSON.stringify({ ...whole, files: [{ path: "relative" }] }),
      /it is damaged/,
    ],
    ["null", /it is damaged/],
  ];
  for (const [text, sentence] of rows) {
    assert.throws(() => parseInstalled(text, FILE), (error) => {
      assert(error instanceof FatalError);
      assert.equal(error.exitCode, 1);
      assert.match(error.message, sentence);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
});

import assert from "node:assert/strict";
import { statusIn } from "../../mod/cli/status.ts";
import { skipped } from "../support/skip.ts";
import { ODD_NAMES, statusOf } from "../support/statuses.ts";

/** What some reader of YAML takes for something other than text, unless it is quoted. */
const TRAPS = [
  ...["no", "yes", "on", "~", "null", "=", "<<", ".inf", "2026-01-01"],
  ...["12:30:45", "1_000", "0x1f", "0o17", "010", "1e3", "1.2", "192.0.2.1"],
  ...["- a", "a: b", "# c", "&a", "*a", "!a", "|", ">", "%a", "@a", "{a", "[a"],
];

const YAML =
  "status -o yaml says the same as -o json, for a reader that is not ours";

Deno.test({
  name: YAML,
  ignore: skipped(YAML, {
    files: ["/usr/bin/python3", "/usr/lib/python3/dist-packages/yaml"],
  }),
  fn: async () => {
    const names = [...ODD_NAMES, ...TRAPS];
    const status = statusOf(names.length, {
      name: (at) => names[at - 1] ?? "",
    });
    const program =
      "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)";
    const child = new Deno.Command("/usr/bin/python3", {
      args: ["-c", program],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    const yaml = await statusIn("yaml", status);
    await writer.write(new TextEncoder().encode(yaml));
    await writer.close();
    const { stdout } = await child.output();
    assert.deepEqual(
      JSON.parse(new TextDecoder().decode(stdout)),
      JSON.parse(await statusIn("json", status)),
    );
  },
});

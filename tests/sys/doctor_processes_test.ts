import assert from "node:assert/strict";
import { ownArguments } from "../../mod/sys/doctor_processes.ts";

const ROWS: readonly (readonly [string, string, string | undefined])[] = [
  ["one file by deno compile", "clusternet run --mtu 1400", "run --mtu 1400"],
  ["from the sources", "deno run -A main.ts run --once", "run --once"],
  [
    "by the launcher, whose runtime has a `run` of its own",
    "clusternet --inhibit-cache --argv0 clusternet /r/deno run --no-config /r/clusternet.js doctor",
    "doctor",
  ],
  [
    "a shell that starts one",
    "sh -c clusternet run",
    undefined,
  ],
  ["Deno at something else", "deno run -A other.ts run", undefined],
  ["somebody else's main module", "node main.js run", undefined],
];

for (const [what, line, own] of ROWS) {
  Deno.test(`ownArguments() of a process: ${what}`, () => {
    assert.equal(ownArguments(line.split(" "))?.join(" "), own);
  });
}

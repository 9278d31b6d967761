import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { skipped } from "../support/skip.ts";

const PROGRAM = `
  import { systemClock as clock } from "${new URL(
  "../../mod/sys/clock.ts",
  import.meta.url,
)}";
  import { sleepWhileRead } from "${new URL(
  "../../mod/sys/pipe_reader.ts",
  import.meta.url,
)}";
  console.log("at work");
  const milliseconds = Number(Deno.args[0]);
  console.error(await sleepWhileRead(milliseconds, clock));`;

const NAME = "sleepWhileRead() ends when nobody reads any more, and not before";

Deno.test({
  name: NAME,
  ignore: skipped(NAME, {
    files: [fileURLToPath(new URL("../../.build/netlink.so", import.meta.url))],
  }),
  fn: async () => {
    const start = (milliseconds: number): Deno.ChildProcess =>
      new Deno.Command(Deno.execPath(), {
        args: ["eval", "--no-check", PROGRAM, String(milliseconds)],
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    const said = async (child: Deno.ChildProcess): Promise<string> =>
      (await new Response(child.stderr).text()).trim();

    const read = start(300);
    await read.stdout.pipeTo(new WritableStream());
    assert.equal(await said(read), "true");
    await read.status;

    // Were the time to pass, the test would not end in its own.
    const left = start(600_000);
    const reader = left.stdout.getReader();
    await reader.read();
    await reader.cancel();
    assert.equal(await said(left), "false");
    await left.status;
  },
});

/**
 * `deno task test:vm [--if-possible] [--out DIR] [FILE…]`: one boot of the guest runs every
 * `tests/vm/*_test.ts` (or the files given) and reports how many passed. A new test is one more
 * such file. With `--if-possible` a host that lacks something is no failure.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { requirements, runInGuest } from "./guest.ts";
import { showLine, showProgress, untilInterrupted } from "./terminal.ts";

const TIMEOUT_SECONDS = 2400;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args,
    allowPositionals: true,
    options: { "if-possible": { type: "boolean" }, out: { type: "string" } },
  });
  const missing = requirements();
  if (values["if-possible"] === true && missing.length > 0) {
    console.log(
      `SKIPPED the tests on a real kernel: they need ${missing.join(" ")}`,
    );
    return 0;
  }
  const files = positionals.length > 0 ? positionals : await testFiles();
  const started = performance.now();
  let summary = "no summary";
  const code = await untilInterrupted((signal) =>
    runInGuest({
      command: [
        "sh",
        "-c",
        'uname -sr; exec deno test -A "$@"',
        "sh",
        ...files,
      ],
      timeoutSeconds: TIMEOUT_SECONDS,
      signal,
      progress: showProgress,
      ...(values.out === undefined ? {} : { outDirectory: values.out }),
      onLine: (line, source) => {
        if (source === "command" && line.startsWith("Linux ")) {
          return showProgress(`${line} is up after ${secondsSince(started)} s`);
        }
        summary = /^(?:ok|FAILED) \| (.*)$/.exec(line)?.[1] ?? summary;
        showLine(line, source);
      },
    })
  );
  showProgress(
    `${code === 0 ? "ok" : "FAILED"}: ${summary}; ${
      secondsSince(started)
    } s in all`,
  );
  return code;
}

async function testFiles(): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(new URL(".", import.meta.url))) {
    if (name.endsWith("_test.ts")) files.push(`tests/vm/${name}`);
  }
  return files.sort();
}

function secondsSince(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}

if (import.meta.main) Deno.exit(await main());

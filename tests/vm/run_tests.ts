/**
 * `deno task test:vm [--if-possible] [--out DIR] [FILE…]`: one boot of the guest runs every
 * `tests/vm/*_test.ts` (or the files given) and reports how many passed. A new test is one more
 * such file. With `--if-possible` a host that lacks something is no failure.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { IMAGE_NEEDS } from "../needs.ts";
import { buildGuestImage, GUEST_FILES } from "../pack/built_image.ts";
import { missingNeeds, type Need, needsText } from "../support/packages.ts";
import { runInGuest } from "./guest.ts";
import { GuestError, guestNeeds } from "./host.ts";
import { showLine, showProgress, untilInterrupted } from "./terminal.ts";

const TIMEOUT_SECONDS = 2400;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args,
    allowPositionals: true,
    options: { "if-possible": { type: "boolean" }, out: { type: "string" } },
  });
  const files = positionals.length > 0 ? positionals : await testFiles();
  const image = files.filter(wantsImage);
  const missing = missingNeeds([
    ...guestNeeds(),
    ...(image.length > 0 ? IMAGE_NEEDS : []),
  ]);
  if (values["if-possible"] === true && missing.length > 0) {
    const names = new Set(missing.map((need) => need.package));
    console.log(
      `SKIPPED the tests on a real kernel: they need ${[...names].join(" ")}`,
    );
    return 0;
  }
  const started = performance.now();
  let summary = "no summary";
  const code = await untilInterrupted(async (signal) => {
    await prepare(image, missing);
    return await runInGuest({
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
      files: image.length > 0 ? GUEST_FILES : [],
      ...(values.out === undefined ? {} : { outDirectory: values.out }),
      onLine: (line, source) => {
        if (source === "command" && line.startsWith("Linux ")) {
          return showProgress(`${line} is up after ${secondsSince(started)} s`);
        }
        summary = /^(?:ok|FAILED) \| (.*)$/.exec(line)?.[1] ?? summary;
        showLine(line, source);
      },
    });
  });
  showProgress(
    `${code === 0 ? "ok" : "FAILED"}: ${summary}; ${
      secondsSince(started)
    } s in all`,
  );
  return code;
}

/**
 * @param image the files that want the agent's image
 * @throws {GuestError} where it cannot be done
 */
async function prepare(
  image: readonly string[],
  missing: readonly Need[],
): Promise<void> {
  if (missing.length > 0) {
    throw new GuestError(
      `Cannot run these tests: packages are missing:\n${needsText(missing)}`,
    );
  }
  if (image.length === 0) return;
  if (Deno.uid() !== 0) {
    throw new GuestError(
      `Cannot build the agent's image for ${
        image.join(" ")
      }: not root; be root, or name other files`,
    );
  }
  showProgress("building the agent's image");
  await buildGuestImage();
}

async function testFiles(): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(new URL(".", import.meta.url))) {
    if (name.endsWith("_test.ts")) files.push(`tests/vm/${name}`);
  }
  return files.sort();
}

/** Does it run containers of the agent's image? */
function wantsImage(file: string): boolean {
  return /\bimageTest\(/.test(Deno.readTextFileSync(file));
}

function secondsSince(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}

if (import.meta.main) Deno.exit(await main());

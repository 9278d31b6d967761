/**
 * `deno task test:kube [FILE…]`: builds what a real cluster consists of, and
 * runs every `tests/kube/*_test.ts` (or the files given), each in a place of its
 * own. A new test is one more such file.
 *
 * @module
 */

import { missingPackages } from "../lab/needs.ts";
import { KUBE_NEEDS } from "../needs.ts";
import { needsText } from "../support/packages.ts";
import { inOwnPlace } from "./own_place.ts";
import { buildTools, findGo } from "./tools.ts";
import { untilInterrupted } from "./terminal.ts";

async function main(args: readonly string[]): Promise<number> {
  const given = args.filter((arg) => arg !== "--");
  const files = given.length > 0 ? given : await testFiles();
  if (findGo() === undefined) return withoutGo();
  const missing = await missingPackages({ lab: true, needs: KUBE_NEEDS });
  if (missing.length > 0) {
    console.error(
      `kube: these Debian packages are missing:\n${needsText(missing)}`,
    );
    return 1;
  }
  return await untilInterrupted(async (signal) => {
    await buildTools({ say: (text) => console.log(`kube: ${text}`), signal });
    let failed = 0;
    for (const file of files) {
      if (await runFile(file, signal) !== 0) failed++;
      signal.throwIfAborted();
    }
    return failed === 0 ? 0 : 1;
  });
}

/** Where CI runs there is Go; elsewhere its absence is said and counted. */
function withoutGo(): number {
  if (Deno.env.get("CI") === "true") {
    console.error("kube: Cannot build a cluster: Go is not installed");
    return 1;
  }
  console.log(
    "SKIPPED the tests on a real cluster: they need Go, 1.26 or newer",
  );
  console.log("ok | 0 passed | 0 failed | 1 ignored");
  return 0;
}

function runFile(file: string, signal: AbortSignal): Promise<number> {
  return inOwnPlace([
    Deno.execPath(),
    ...["test", "--allow-all", "--no-check", "--no-prompt", file],
  ], { signal });
}

async function testFiles(): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(new URL(".", import.meta.url))) {
    if (name.endsWith("_test.ts")) files.push(`tests/kube/${name}`);
  }
  return files.sort();
}

if (import.meta.main) Deno.exit(await main(Deno.args));

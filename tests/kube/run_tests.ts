/**
 * `deno task test:kube [FILE…]`: builds what a real cluster consists of, and
 * runs every `tests/kube/*_test.ts` (or the files given), each in a place of its
 * own. A new test is one more such file.
 *
 * @module
 */

import { inTurns } from "../lab/exec.ts";
import { missingPackages } from "../lab/needs.ts";
import { IMAGE_NEEDS, KUBE_NEEDS } from "../needs.ts";
import { untilInterrupted } from "../support/interrupted.ts";
import { needsText } from "../support/packages.ts";
import { makeAgentImage, wantsAgentImage } from "./agent_image.ts";
import { inOwnPlace } from "./own_place.ts";
import { podMonitorCrd, wantsPodMonitorCrd } from "./pod_monitor_crd.ts";
import { buildTools, goIsMissing } from "./tools.ts";

async function main(args: readonly string[]): Promise<number> {
  const given = args.filter((arg) => arg !== "--");
  const files = given.length > 0 ? given : await testFiles();
  const noGo = await goIsMissing();
  if (noGo !== undefined) return withoutGo(noGo);
  const image = files.some(wantsAgentImage);
  const needs = image ? [...KUBE_NEEDS, ...IMAGE_NEEDS] : KUBE_NEEDS;
  const missing = await missingPackages({ lab: true, needs });
  if (missing.length > 0) {
    console.error(
      `kube: these Debian packages are missing:\n${needsText(missing)}`,
    );
    return 1;
  }
  return await untilInterrupted("kube", async (signal) => {
    await buildTools({ say: (text) => console.log(`kube: ${text}`), signal });
    if (image) {
      console.log("kube: the agent's image");
      await makeAgentImage();
    }
    if (files.some(wantsPodMonitorCrd)) await podMonitorCrd();
    const started = performance.now();
    const codes = await inTurns(
      files,
      (file) => runFile(file, { signal, alone: files.length === 1 }),
      AT_ONCE,
    );
    const seconds = Math.round((performance.now() - started) / 1_000);
    console.log(`kube: ${files.length} files in ${seconds} s`);
    return codes.every((code) => code === 0) ? 0 : 1;
  });
}

/** Where CI runs there is Go; elsewhere its absence is said and counted. */
function withoutGo(needed: string): number {
  if (Deno.env.get("CI") === "true") {
    console.error(`kube: Cannot build a cluster: install ${needed}`);
    return 1;
  }
  console.log(`SKIPPED the tests on a real cluster: they need ${needed}`);
  console.log("ok | 0 passed | 0 failed | 1 ignored");
  return 0;
}

/** Much of a cluster's life is waiting, so three share two processors well. */
const AT_ONCE = 3;

/** What it prints comes in one piece, at its end; a file alone is shown as it runs. */
async function runFile(
  file: string,
  { signal, alone }: { readonly signal: AbortSignal; readonly alone: boolean },
): Promise<number> {
  signal.throwIfAborted();
  const lines: string[] = [];
  const code = await inOwnPlace(() => [
    Deno.execPath(),
    ...["test", "--allow-all", "--no-check", "--no-prompt", file],
  ], {
    signal,
    ...(alone ? {} : { onLine: (line): unknown => lines.push(line) }),
  });
  if (!alone) console.log(lines.join("\n"));
  return code;
}

/** Those that take long begin first, so that none of them is alone at the end. */
async function testFiles(): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(new URL(".", import.meta.url))) {
    if (name.endsWith("_test.ts")) files.push(`tests/kube/${name}`);
  }
  return files.sort((a, b) => sizeOf(b) - sizeOf(a));
}

/** Bytes: the longer text takes the longer time, by and large. */
function sizeOf(file: string): number {
  return Deno.statSync(file).size;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

/**
 * Tests in a network namespace of their own, which has no name and ends with
 * the process: nothing can be left behind.
 *
 *     inNamespace(import.meta.url, () => { Deno.test(…) });
 *
 * runs the file once more under `unshare --net`, and only there registers the
 * tests; outside there is one test, which is that run.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { skipped } from "../support/skip.ts";

const MARK = "CLUSTERNET_TEST_NAMESPACE";

export function inNamespace(url: string, register: () => void): void {
  if (Deno.env.get(MARK) === "1") return register();
  const name = url.slice(url.lastIndexOf("/") + 1);
  Deno.test({
    name: `${name} in a network namespace`,
    ignore: skipped(name, { root: true, commands: ["unshare", "ip"] }),
    fn: () => runInNamespace(url),
  });
}

async function runInNamespace(url: string): Promise<void> {
  const run = new Deno.Command("unshare", {
    args: [
      "--net",
      Deno.execPath(),
      "test",
      "--allow-all",
      "--no-check",
      fileURLToPath(url),
    ],
    env: { [MARK]: "1" },
    stdout: "inherit",
    stderr: "inherit",
  });
  const { code } = await run.output();
  assert.equal(code, 0, `the tests of ${url} failed in their namespace`);
}

/** Run `ip`, as a person would. @throws {Error} with what it says */
export async function ip(...args: readonly string[]): Promise<string> {
  const run = new Deno.Command("ip", { args: [...args], stdin: "null" });
  const { success, stdout, stderr } = await run.output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`ip ${args.join(" ")}: ${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}

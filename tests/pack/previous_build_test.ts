import assert from "node:assert/strict";
import { must } from "../lab/exec.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { findPrevious } from "./previous_build.ts";

const WITHOUT = { tasks: {} };
const WITH = { tasks: { build: "true" } };

const name = "findPrevious() takes the last tag, else the commit before";

Deno.test({
  name,
  ignore: skipped(name, { commands: ["git"] }),
  fn: async () => {
    await using dir = await tempDir();
    const git = async (...args: readonly string[]): Promise<string> =>
      (await must(["git", "-C", dir.path, ...args])).trim();
    const commit = async (config: unknown): Promise<string> => {
      await Deno.writeTextFile(
        `${dir.path}/deno.json`,
        JSON.stringify({ config, ...(config as object) }),
      );
      await git("add", ".");
      const who = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
      await git(...who, "commit", "--quiet", "--allow-empty", "-m", "one");
      return (await git("rev-parse", "HEAD")).slice(0, 12);
    };
    await git("init", "--quiet");
    await commit(WITHOUT);
    assert.match(await sentence(dir.path), /^needs the commit before this one/);
    const first = await commit(WITH);
    assert.match(
      await sentence(dir.path),
      /^needs an earlier commit that has `deno task build`; the commit before/,
    );
    const second = await commit(WITH);
    const what = "the commit before this one";
    assert.deepEqual(await findPrevious(dir.path), { commit: first, what });
    await git("tag", "v0.1.0", first);
    await git("tag", "other");
    await commit(WITH);
    assert.deepEqual(await findPrevious(dir.path), {
      commit: first,
      what: "v0.1.0",
    });
    await git("tag", "v0.2.0");
    assert.deepEqual(
      await findPrevious(dir.path),
      { commit: first, what: "v0.1.0" },
      "a tag of this very commit is what is upgraded to",
    );
    await git("tag", "v0.1.1", second);
    assert.deepEqual(await findPrevious(dir.path), {
      commit: second,
      what: "v0.1.1",
    });
  },
});

async function sentence(root: string): Promise<string> {
  const found = await findPrevious(root);
  assert(typeof found === "string", JSON.stringify(found));
  return found;
}

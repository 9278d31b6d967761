/**
 * The program that goes into an executable: `main.ts` with what it should say of
 * itself.
 *
 * @module
 */

import type { BuildInfo, BuildKind } from "../mod/core/version.ts";

const ROOT = new URL("../", import.meta.url);

/** Length of the commit's hash as `clusternet version` prints it. */
const HASH_LENGTH = 12;

/**
 * Writes `.build/entry-KIND.ts`.
 *
 * @returns where it is
 */
export async function writeEntry(info: BuildInfo): Promise<URL> {
  const file = new URL(`.build/entry-${info.kind}.ts`, ROOT);
  await Deno.mkdir(new URL(".build/", ROOT), { recursive: true });
  const text = `import { main } from "../mod/cli/main.ts";

main(Deno.args, ${JSON.stringify(info)}).then(Deno.exit);
`;
  const temporary = new URL(`${file.href}.${Deno.pid}`);
  await Deno.writeTextFile(temporary, text);
  await Deno.rename(temporary, file);
  return file;
}

/** Of this checkout, now. */
export async function buildInfo(kind: BuildKind): Promise<BuildInfo> {
  return { kind, commit: await commitOf(ROOT) };
}

/**
 * @returns the abbreviated hash, with `-dirty` where tracked files differ from
 *   it; `undefined` outside a checkout or without git
 */
export async function commitOf(root: URL): Promise<string | undefined> {
  const hash = await git(root, ["rev-parse", `--short=${HASH_LENGTH}`, "HEAD"]);
  if (hash === undefined) return undefined;
  const changes = await git(root, [
    ...["status", "--porcelain", "--untracked-files=no"],
  ]);
  return changes === "" ? hash : `${hash}-dirty`;
}

/** What git prints, trimmed; `undefined`: it failed, or is not there. */
export async function git(
  root: URL,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: [...args],
      cwd: root,
      stdout: "piped",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A tree to install into, and the program run in it as a person would.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { NO_PROMPT, permissions } from "../../deploy/permissions.ts";
import { run, type RunResult } from "../lab/exec.ts";
import { tempDir } from "../support/temp_dir.ts";

export const MAIN = new URL("install_main.ts", import.meta.url).pathname;

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** What the launcher tells the program. */
const VARIABLES = ["CLUSTERNET_EXECUTABLE", "CLUSTERNET_RUNTIME"];

/** The program with what it is allowed in an executable. */
export const CLUSTERNET: readonly string[] = [
  ...[Deno.execPath(), "run", "--no-check", "--quiet", "--config", CONFIG],
  ...[NO_PROMPT, ...permissions({ variables: VARIABLES }), MAIN],
];

export class Tree implements AsyncDisposable {
  /** The root of the tree. */
  readonly root: string;
  /** What is installed: any file will do. */
  readonly executable: string;
  readonly #dispose: () => PromiseLike<void>;

  private constructor(directory: string, dispose: () => PromiseLike<void>) {
    this.root = `${directory}/root`;
    this.executable = `${directory}/clusternet`;
    this.#dispose = dispose;
  }

  static async make(): Promise<Tree> {
    const dir = await tempDir();
    const tree = new Tree(dir.path, () => dir[Symbol.asyncDispose]());
    await Deno.mkdir(tree.root);
    await tree.build("one");
    return tree;
  }

  /** Another version of the executable. */
  async build(content: string): Promise<void> {
    await Deno.writeTextFile(this.executable, content);
  }

  install(...args: readonly string[]): Promise<RunResult> {
    return this.#run(["install", "--root", this.root, ...args]);
  }

  uninstall(...args: readonly string[]): Promise<RunResult> {
    return this.#run(["uninstall", "--root", this.root, ...args]);
  }

  path(path: string): string {
    return `${this.root}${path}`;
  }

  read(path: string): Promise<string> {
    return Deno.readTextFile(this.path(path));
  }

  write(path: string, text: string): Promise<void> {
    return Deno.writeTextFile(this.path(path), text);
  }

  /** All that is in it, with digests and permissions: equal only if nothing differs. */
  look(): Readonly<Record<string, string>> {
    return Object.fromEntries(walk(this.root, ""));
  }

  #run(args: readonly string[]): Promise<RunResult> {
    const env = { CLUSTERNET_EXECUTABLE: this.executable };
    return run([...CLUSTERNET, ...args], { env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispose();
  }
}

function* walk(root: string, path: string): Generator<[string, string]> {
  const names = [...Deno.readDirSync(`${root}${path}`)].map(({ name }) => name);
  for (const name of names.sort()) {
    const inside = `${path}/${name}`;
    const info = Deno.lstatSync(`${root}${inside}`);
    const mode = ((info.mode ?? 0) & 0o7777).toString(8);
    if (info.isDirectory) {
      yield [`${inside}/`, mode];
      yield* walk(root, inside);
    } else if (info.isSymlink) {
      yield [inside, `-> ${Deno.readLinkSync(`${root}${inside}`)}`];
    } else {
      const bytes = Deno.readFileSync(`${root}${inside}`);
      const digest = createHash("sha256").update(bytes).digest("hex");
      yield [inside, `${mode} ${digest}`];
    }
  }
}

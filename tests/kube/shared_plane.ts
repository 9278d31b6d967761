/**
 * A control plane for all tests of a file, each a test of its own.
 *
 * @module
 */

import { ControlPlane, type ControlPlaneOptions } from "./control_plane.ts";
import { newFolder, tellLogs } from "./harness.ts";
import { builtTools } from "./tools.ts";

type PlaneOptions = Omit<ControlPlaneOptions, "tools" | "folder">;

/**
 * One control plane for the tests of a file, started before the first of them.
 * They have no sanitizers: what it says is read all the while.
 */
export class SharedPlane {
  #plane: ControlPlane | undefined;
  #folder = "";

  /**
   * @param options where they need to know the plane's folder: a function
   * @param prepare once it stands, before the first test
   */
  constructor(
    options: (folder: string) => PlaneOptions,
    prepare: (plane: ControlPlane) => Promise<void> = () => Promise.resolve(),
  ) {
    Deno.test.beforeAll(async () => {
      this.#folder = newFolder();
      const tools = await builtTools();
      const own = { tools, folder: this.#folder };
      this.#plane = await ControlPlane.start({
        ...options(this.#folder),
        ...own,
      });
      await prepare(this.#plane);
    });
    Deno.test.afterAll(async () => {
      await this.#plane?.[Symbol.asyncDispose]();
    });
  }

  get plane(): ControlPlane {
    if (this.#plane !== undefined) return this.#plane;
    throw new Error("Cannot use the control plane: it is not started yet");
  }

  /**
   * Where it fails, the last words of the control plane are shown.
   *
   * @param options.needs what is missing here: then it is skipped, aloud
   */
  test(
    name: string,
    body: (plane: ControlPlane) => Promise<void>,
    { needs }: { readonly needs?: string | undefined } = {},
  ): void {
    if (needs !== undefined) console.log(`SKIPPED ${name}: needs ${needs}`);
    Deno.test({
      name,
      ignore: needs !== undefined,
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => {
        try {
          await body(this.plane);
        } catch (error) {
          tellLogs(this.#folder);
          throw error;
        }
      },
    });
  }
}

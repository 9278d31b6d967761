/**
 * Tests on a real cluster: how they begin, and what a failure shows.
 *
 * @module
 */

import { join } from "node:path";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { ControlPlane, type ControlPlaneOptions } from "./control_plane.ts";
import { mustOwnPlace } from "./own_place.ts";
import { builtTools } from "./tools.ts";

let folders = 0;

/** A new folder in that of the place, which goes with it. */
export function newFolder(): string {
  const folder = join(mustOwnPlace().folder, String(++folders));
  Deno.mkdirSync(folder);
  return folder;
}

/** A control plane for the body alone; where that fails, its last words are shown. */
export async function withControlPlane(
  options: Omit<ControlPlaneOptions, "tools" | "folder">,
  body: (plane: ControlPlane) => Promise<void>,
): Promise<void> {
  const folder = newFolder();
  const tools = await builtTools();
  await using plane = await ControlPlane.start({ ...options, tools, folder });
  try {
    await body(plane);
  } catch (error) {
    tellLogs(folder);
    throw error;
  }
}

/** A cluster for several tests in turn, steps of one; a failure shows the last words of all. */
export async function withCluster(
  options: Omit<ClusterOptions, "folder">,
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const folder = newFolder();
  await using cluster = await Cluster.start({ ...options, folder })
    .catch((error) => {
      tellLogs(folder);
      throw error;
    });
  try {
    await body(cluster);
  } catch (error) {
    tellLogs(folder);
    throw error;
  }
}

/** Steps of one test, each of which needs those before it. @throws {Error} after the first that fails */
export async function inOrder(
  t: Deno.TestContext,
  steps: Readonly<Record<string, () => Promise<void>>>,
): Promise<void> {
  for (const [name, body] of Object.entries(steps)) {
    if (!await t.step(name, body)) throw new Error("Cannot go on without that");
  }
}

const LINES_SHOWN = 8;

/** The end of each log in that folder. */
export function tellLogs(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".log")) continue;
    const lines = Deno.readTextFileSync(join(folder, name)).trimEnd()
      .split("\n");
    console.log(`--- ${name}\n${lines.slice(-LINES_SHOWN).join("\n")}`);
  }
}

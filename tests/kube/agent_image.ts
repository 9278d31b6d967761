/**
 * What a release gives of the agent, made of this checkout: the image, and the
 * one executable. Made outside of a cluster's place, which has no network; a file
 * of tests that calls `agentImage(` or `agentExecutable(` has it made before.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { outputFolder } from "../../deploy/build.ts";
import { makeImages } from "../../deploy/image.ts";
import { VERSION } from "../../mod/core/version.ts";

/** The name that the manifests have for it. */
export const AGENT_IMAGE = `localhost/clusternet:${VERSION}`;

const FOLDER = fileURLToPath(
  new URL("../../.build/kube-image", import.meta.url),
);

/** Does a file of tests want them? */
export function wantsAgentImage(file: string): boolean {
  return /\bagent(Image|Executable)\(/.test(Deno.readTextFileSync(file));
}

/** A minute once, for the layer with Deno in it; seconds whenever something of ours has changed. */
export async function makeAgentImage(): Promise<void> {
  await makeImages({
    targets: [Deno.build.arch],
    formats: ["gzip"],
    output: FOLDER,
  });
}

/** The archive, for a cluster's `images`. */
export function agentImage(): string {
  const target = Deno.build.arch;
  return found(join(FOLDER, `clusternet-${VERSION}-${target}-gzip.oci.tar`));
}

/** The one file that `clusternet install` is run from. */
export function agentExecutable(): string {
  return found(join(outputFolder(Deno.build.arch), "clusternet"));
}

function found(file: string): string {
  try {
    Deno.statSync(file);
    return file;
  } catch (cause) {
    throw new Error(`Cannot find ${file}: deno task test:kube makes it`, {
      cause,
    });
  }
}

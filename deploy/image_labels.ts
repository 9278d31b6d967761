/**
 * What the image says of itself: the annotations of the OCI Image Format
 * Specification (annotations.md), from the checkout that it is built from.
 * Invariant: nothing in them depends on when or where it is built.
 *
 * @module
 */

import { VERSION } from "../mod/core/version.ts";
import { git } from "./entry.ts";

const ROOT = new URL("../", import.meta.url);

/** Where the documentation lies in the image itself. */
export const DOC_DIR = "/usr/share/doc/clusternet";

/** The keys behind `org.opencontainers.image.`, and the build arguments in capitals. */
export interface ImageLabels {
  readonly title: string;
  readonly description: string;
  /** A URL; without one the commit's own name (SWHID 1.2), which needs no host. */
  readonly source: string;
  /** All 40 digits, `-dirty` behind them where files differ. */
  readonly revision: string;
  readonly version: string;
  /** RFC 3339: the time of the commit. */
  readonly created: string;
  /** SPDX expression. */
  readonly licenses: string;
  readonly documentation: string;
}

/** Seconds since 1970: `SOURCE_DATE_EPOCH` (reproducible-builds.org), else the commit's time. */
export async function sourceTime(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH") ?? "";
  if (/^\d+$/.test(given)) return Number(given);
  return Number(await git(ROOT, ["show", "-s", "--format=%ct", "HEAD"]) ?? 0);
}

/** @param given addresses that the one who publishes it knows */
export async function imageLabels(
  given: {
    readonly source?: string | undefined;
    readonly documentation?: string | undefined;
  },
): Promise<ImageLabels> {
  const hash = await git(ROOT, ["rev-parse", "HEAD"]);
  const origin = await git(ROOT, ["remote", "get-url", "origin"]);
  const time = await sourceTime();
  const source = given.source ?? publicUrl(origin ?? "") ??
    (hash === undefined ? "unknown" : `swh:1:rev:${hash}`);
  return {
    title: "clusternet",
    description:
      "The agent that gives a Kubernetes cluster its pod network, over WireGuard",
    source,
    revision: hash === undefined ? "unknown" : hash + await differs(),
    version: VERSION,
    created: new Date(time * 1_000).toISOString().replace(".000Z", "Z"),
    licenses: "Apache-2.0",
    documentation: given.documentation ??
      (/^https?:/.test(source) ? source : `file://${DOC_DIR}/README.md`),
  };
}

async function differs(): Promise<"" | "-dirty"> {
  const changes = await git(ROOT, [
    ...["status", "--porcelain", "--untracked-files=no"],
  ]);
  return changes === "" ? "" : "-dirty";
}

/**
 * The address that a browser takes of a repository; `undefined` for one on this
 * machine. A name or password in it is left out.
 */
export function publicUrl(origin: string): string | undefined {
  const [, host, path] =
    /^(?:https?:\/\/(?:[^/@]*@)?|ssh:\/\/git@|git@)([\w.-]+)[:/]+(.+?)(?:\.git)?\/?$/
      .exec(origin) ?? [];
  return host === undefined || path === undefined
    ? undefined
    : `https://${host}/${path}`;
}

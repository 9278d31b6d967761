/**
 * `clusternet support-bundle`: all that a maintainer needs, and no secret, in
 * one tar.gz. It looks, and changes nothing but the file that it makes.
 *
 * @module
 */

import { CHECKS } from "../doctor/checks.ts";
import type { Diagnosis } from "../doctor/check.ts";
import { wantsHelp } from "../core/flags.ts";
import type { BuildInfo } from "../core/version.ts";
import { hasAgent } from "../sys/agent_socket.ts";
import { knownSecrets } from "../sys/known_secrets.ts";
import { tarEnd, tarEntry } from "../wire/tar.ts";
import { examine, surroundings } from "./examine.ts";
import { agentConfig, lookAt } from "./plan_look.ts";
import {
  type OwnArguments,
  parseSupport,
  supportBundleHelp,
} from "./support_options.ts";
import { type Piece, textOf } from "./support_piece.ts";
import { pieces } from "./support_pieces.ts";
import { timeName, writeBundle } from "./support_write.ts";

/** Of a Node's name: a file's has at most 255 bytes (NAME_MAX), a Node's 253. */
const NAME_LENGTH = 200;

/** @returns the exit code */
export async function supportBundle(
  args: readonly string[],
  build: BuildInfo,
): Promise<number> {
  if (wantsHelp(args)) {
    console.log(supportBundleHelp().trimEnd());
    return 0;
  }
  const wanted = parseSupport(args, (name) => Deno.env.get(name));
  if (wanted.kind === "own") return await ownBundle(wanted, build);
  const { clusterBundle } = await import("./support_all.ts");
  return await clusterBundle(wanted);
}

/** Of this machine. @returns the exit code */
async function ownBundle(
  { flags, output, run }: OwnArguments,
  build: BuildInfo,
): Promise<number> {
  const config = await agentConfig(flags);
  const now = new Date();
  const stem = `clusternet-${config.nodeName.slice(0, NAME_LENGTH)}-${
    timeName(now)
  }`;
  const snapshot = lookAt({
    config: flags,
    link: undefined,
    snapshot: undefined,
    source: await hasAgent(config.interface) ? "agent" : "api",
  });
  snapshot.catch(() => {}); // the pieces that need it say why there is none
  let made: Promise<Diagnosis> | undefined;
  const diagnosis = (): Promise<Diagnosis> =>
    made ??= surroundings(run).then((around) => examine(CHECKS, around));
  const secrets = await knownSecrets(config, Deno.env.toObject());
  const all = pieces({ build, config, diagnosis, snapshot });
  const written = await writeBundle(
    output ?? `${stem}.tar.gz`,
    () => tarOf(all, { now, secrets, stem }),
  );
  return written ? 0 : 1;
}

/** Piece by piece: the next is made once there is room for it, and none is kept. */
async function* tarOf(
  all: readonly Piece[],
  { now, secrets, stem }: {
    readonly now: Date;
    readonly secrets: readonly string[];
    readonly stem: string;
  },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const piece of all) {
    console.error(`clusternet: ${piece.name}`);
    const text = await textOf(piece, secrets);
    yield tarEntry({
      name: `${stem}/${piece.name}`,
      data: new TextEncoder().encode(text),
      mtimeSeconds: Math.floor(now.getTime() / 1_000),
    });
  }
  yield tarEnd();
}

/**
 * `clusternet support-bundle`: all that a maintainer needs, and no secret, in
 * one tar.gz. It looks, and changes nothing but the file that it makes.
 *
 * @module
 */

import { OPTIONS } from "../core/config.ts";
import { FatalError } from "../core/errors.ts";
import {
  type Command,
  type Option,
  optionRows,
  parseFlags,
  wantsHelp,
} from "../core/flags.ts";
import { CHECKS } from "../doctor/checks.ts";
import type { Diagnosis } from "../doctor/check.ts";
import type { BuildInfo } from "../core/version.ts";
import { hasAgent } from "../sys/agent_socket.ts";
import { systemReason } from "../sys/directory.ts";
import { knownSecrets } from "../sys/known_secrets.ts";
import { tarEnd, tarEntry } from "../wire/tar.ts";
import { examine, RUN_OPTIONS, surroundings } from "./examine.ts";
import { agentConfig, lookAt } from "./plan_look.ts";
import { pieces, textOf } from "./support_pieces.ts";

/** Of a Node's name: a file's has at most 255 bytes (NAME_MAX), a Node's 253. */
const NAME_LENGTH = 200;

// deno-fmt-ignore
const BUNDLE_OPTIONS: readonly Option[] = [
  { name: "output", short: "o", metavar: "FILE", fallback: undefined, help: "Where to; -: standard output. Else clusternet-NODE-TIME.tar.gz in the working directory." },
];

const BUNDLE: Command = {
  name: "support-bundle",
  options: [...BUNDLE_OPTIONS, ...OPTIONS],
};

/** @returns the exit code */
export async function supportBundle(
  args: readonly string[],
  build: BuildInfo,
): Promise<number> {
  if (wantsHelp(args)) {
    console.log(supportBundleHelp().trimEnd());
    return 0;
  }
  const given = parseFlags(args, BUNDLE);
  const flags = OPTIONS.flatMap(({ name }) => {
    const text = given.get(name)?.text;
    return text === undefined ? [] : [`--${name}=${text}`];
  });
  const config = await agentConfig(flags);
  const now = new Date();
  const stem = `clusternet-${config.nodeName.slice(0, NAME_LENGTH)}-${
    now.toISOString().replaceAll(/[-:]|\.\d+/g, "")
  }`;
  const snapshot = lookAt({
    config: flags,
    link: undefined,
    snapshot: undefined,
    source: await hasAgent(config.interface) ? "agent" : "api",
  });
  snapshot.catch(() => {}); // the pieces that need it say why there is none
  const own = RUN_OPTIONS.flatMap(({ name }) => {
    const text = given.get(name)?.text;
    return text === undefined ? [] : [[name, text] as const];
  });
  let made: Promise<Diagnosis> | undefined;
  const diagnosis = (): Promise<Diagnosis> =>
    made ??= surroundings(new Map(own)).then((around) =>
      examine(CHECKS, around)
    );
  const secrets = await knownSecrets(config, Deno.env.toObject());
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (const piece of pieces({ build, config, diagnosis, snapshot })) {
    console.error(`clusternet: ${piece.name}`);
    const text = await textOf(piece, secrets);
    parts.push(tarEntry({
      name: `${stem}/${piece.name}`,
      data: new TextEncoder().encode(text),
      mtimeSeconds: Math.floor(now.getTime() / 1_000),
    }));
  }
  const packed = new Blob([...parts, tarEnd()]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  await write(given.get("output")?.text ?? `${stem}.tar.gz`, packed);
  return 0;
}

export function supportBundleHelp(): string {
  return [
    "clusternet support-bundle: all that a maintainer needs, and no secret, in one tar.gz.",
    "",
    "Usage: clusternet support-bundle [FLAGS]",
    "",
    ...optionRows(BUNDLE_OPTIONS),
    "",
    "The flags of `clusternet run` may be given as well, as with `clusternet plan`.",
    "What cannot be had, without root or without an agent, is named in its place.",
    "",
  ].join("\n");
}

async function write(
  file: string,
  content: ReadableStream<Uint8Array>,
): Promise<void> {
  try {
    if (file === "-") {
      await content.pipeTo(Deno.stdout.writable, { preventClose: true });
      return;
    }
    // What is there may be a link to somewhere, or others may read it.
    await Deno.writeFile(file, content, { mode: 0o600, createNew: true });
    console.error(`clusternet: Wrote ${file}`);
  } catch (cause) {
    throw new FatalError(
      `Cannot write the bundle to ${file}: ${systemReason(cause)}`,
      1,
      { cause },
    );
  }
}

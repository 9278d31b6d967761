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
import { writeNewFile } from "../sys/new_file.ts";
import { tarEnd, tarEntry } from "../wire/tar.ts";
import { examine, RUN_OPTIONS, surroundings } from "./examine.ts";
import { agentConfig, lookAt } from "./plan_look.ts";
import { stopOnSignal } from "./signals.ts";
import { type Piece, textOf } from "./support_piece.ts";
import { pieces } from "./support_pieces.ts";

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
  const packed = ReadableStream.from(
    tarOf(pieces({ build, config, diagnosis, snapshot }), {
      now,
      secrets,
      stem,
    }),
  ).pipeThrough(new CompressionStream("gzip"));
  return await write(given.get("output")?.text ?? `${stem}.tar.gz`, packed);
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

/** @returns the exit code */
async function write(
  file: string,
  content: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<number> {
  let interrupted = "";
  using stop = stopOnSignal(
    (name) => interrupted = name,
    ["SIGHUP", "SIGINT", "SIGTERM"],
  );
  const { signal } = stop;
  try {
    if (file === "-") {
      const into = Deno.stdout.writable;
      await content.pipeTo(into, { preventClose: true, signal });
    } else {
      await writeNewFile(file, content, signal);
      console.error(`clusternet: Wrote ${file}`);
    }
    return 0;
  } catch (cause) {
    // Whoever reads no more has it said.
    if (cause instanceof Deno.errors.BrokenPipe) return 1;
    const why = signal.aborted
      ? `${interrupted} has ended it, and nothing is left of it`
      : systemReason(cause);
    throw new FatalError(`Cannot write the bundle to ${file}: ${why}`, 1, {
      cause,
    });
  }
}

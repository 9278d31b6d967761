/**
 * `deno task demo`: a cluster on this machine, from nothing to pods that ping,
 * and back to nothing.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { DEMO_HELP, type DemoOptions, parseDemoArgs } from "./demo_options.ts";
import { type Telling, tellStory } from "./demo_story.ts";
import { inTurns, must, run } from "./exec.ts";
import { AT_ONCE, Lab } from "./lab.ts";
import { type Before, labNamespaces, leftovers, lookAround } from "./leaks.ts";
import { installMissing, missingPackages } from "./needs.ts";
import { standardPaint } from "./paint.ts";
import { needsText } from "../support/packages.ts";
import { nodePath } from "./api.ts";

const INTERRUPTED = 130;

/** @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  const [random = 0] = crypto.getRandomValues(new Uint16Array(1));
  let options: DemoOptions | "help";
  try {
    options = parseDemoArgs(args, random);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`demo: ${error.message}; --help lists the options`);
    return 2;
  }
  if (options === "help") {
    console.log(DEMO_HELP.trimEnd());
    return 0;
  }
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    console.error(
      "demo: network namespaces need Linux and root: run it as root",
    );
    return 1;
  }
  return await untilInterrupted((signal) => prepareAndRun(options, signal));
}

async function prepareAndRun(
  options: DemoOptions,
  signal: AbortSignal,
): Promise<number> {
  if (!options.install) {
    const missing = await missingPackages();
    console.log(
      missing.length === 0
        ? "demo: nothing is missing"
        : `demo: these Debian packages are missing:\n${needsText(missing)}`,
    );
    return missing.length === 0 ? 0 : 1;
  }
  await installMissing({
    say: (text) => console.log(`demo: ${text}`),
    signal,
  });
  await prepareProgram();
  signal.throwIfAborted();
  return await runDemo(options, signal);
}

/** Compiles the shim, and fetches and compiles what the agents are made of. */
async function prepareProgram(): Promise<void> {
  const path = (file: string): string =>
    fileURLToPath(new URL(`../../${file}`, import.meta.url));
  const deno = Deno.execPath();
  await must([deno, "run", "-A", "--no-config", path("ffi/build.ts")]);
  const cache = [
    ...["cache", "--quiet", "--no-check"],
    ...[path("main.ts"), path("tests/lab/api_main.ts")],
  ];
  const offline = await run([deno, ...cache, "--cached-only"]);
  if (offline.code !== 0) await must([deno, ...cache]);
}

async function runDemo(
  options: DemoOptions,
  signal: AbortSignal,
): Promise<number> {
  const begin = performance.now();
  const seconds = (): string => ((performance.now() - begin) / 1000).toFixed(1);
  const paint = standardPaint();
  const telling: Telling = {
    say: (text) =>
      console.log(`${paint.dim(`${seconds().padStart(5)} s`)}  ${text}`),
    paint,
    signal,
  };
  const { nodes, seed, keep } = options;
  console.log(paint.bold(`clusternet demo: ${nodes} nodes, seed ${seed}`));
  const before = await lookAround();
  const lab = await Lab.start({ nodes, seed });
  let good = false;
  let namespaces: readonly string[] = [];
  try {
    telling.say(`WireGuard: ${lab.settings.wireguard.text}`);
    good = await tellStory(lab, telling);
    namespaces = labNamespaces(lab);
    if (keep) await linger(lab, telling);
    else await tearDown(lab);
  } finally {
    await lab.end();
  }
  return verdict(good, await remains(lab, before, namespaces), telling);
}

async function remains(
  lab: Lab,
  before: Before,
  namespaces: readonly string[],
): Promise<readonly string[]> {
  return await leftovers(lab.run, { before, namespaces });
}

function verdict(
  good: boolean,
  left: readonly string[],
  { say, paint }: Telling,
): number {
  for (const what of left) say(paint.bad(`left behind: ${what}`));
  const end = left.length === 0
    ? "nothing left behind"
    : "what is left is listed above";
  say(
    good
      ? paint.good(`every ping was answered, nothing in clear; ${end}`)
      : paint.bad(`not everything was well, see above; ${end}`),
  );
  return good && left.length === 0 ? 0 : 1;
}

/** As an orderly cluster would: pods detached by the plugins, agents told to end. */
async function tearDown(lab: Lab): Promise<void> {
  await inTurns(lab.nodes, async (node) => {
    for (const pod of [...node.pods]) await node.removePod(pod);
    const code = await node.stopAgent();
    if (code !== 0) {
      throw new Error(`the agent of ${node.name} ended with exit code ${code}`);
    }
  }, AT_ONCE);
}

async function linger(
  lab: Lab,
  { say, paint, signal }: Telling,
): Promise<void> {
  const [first, second] = lab.nodes;
  const [pod] = first?.pods ?? [];
  const [other] = second?.pods ?? [];
  if (first === undefined || pod === undefined || other === undefined) return;
  const enter = (podName?: string): string =>
    first.space.command([], podName).slice(0, -1)
      .filter((word) => !/^--(root|wd)=/.test(word))
      .filter((word) => podName === undefined || !word.startsWith("--mount"))
      .join(" ");
  const socket = lab.apiSocket;
  say("it stays; look around from another terminal:");
  console.log(
    [
      `  ${enter(pod.name)} ping ${other.addresses[0]}`,
      `  ${enter()} wg show`,
      `  curl --unix-socket ${socket} http://lab${nodePath(first.name)}`,
    ].map(paint.bold).join("\n"),
  );
  say("Ctrl-C ends it");
  if (signal.aborted) return;
  await new Promise((resolve) =>
    signal.addEventListener("abort", resolve, { once: true })
  );
}

/** Ctrl-C, a closed terminal or a kill end the demo early, in order. */
async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const stop = (): void =>
    controller.abort(new Error("interrupted: everything is taken down"));
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    const { signal } = controller;
    const shown: unknown = signal.aborted ? signal.reason : error;
    console.error(`demo: ${shown instanceof Error ? shown.message : shown}`);
    return signal.aborted ? INTERRUPTED : 1;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));

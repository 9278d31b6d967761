/**
 * `deno task vm -- [OPTIONS] [COMMAND…]`: runs COMMAND as root in a guest with a stock Debian
 * kernel and exits with its code; without COMMAND, a shell (leave it with `exit`, or Ctrl-A X).
 * The working directory is this checkout (a copy); `deno` is there, the network is not.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type GuestOptions, runInGuest } from "./guest.ts";
import { showLine, showProgress, untilInterrupted } from "./terminal.ts";

const USAGE = `Usage: deno task vm -- [OPTIONS] [COMMAND…]

  --out DIR          copy what COMMAND leaves in the guest's /out to DIR
  --env NAME=VALUE   set a variable in the guest; may be given again
  --memory MIB       memory of the guest (2048)
  --timeout SECONDS  end the guest after so long (300; for a shell: never)
  --append TEXT      more of the kernel's command line`;

/** Options end at the first word that is none: the rest is the command's own. */
function parseArguments(args: readonly string[]): GuestOptions {
  const { values, positionals } = parseArgs({
    args: withSeparator(args),
    allowPositionals: true,
    options: {
      out: { type: "string" },
      env: { type: "string", multiple: true },
      memory: { type: "string" },
      timeout: { type: "string" },
      append: { type: "string" },
    },
  });
  const env = (values.env ?? []).map((pair): [string, string] => {
    const at = pair.indexOf("=");
    if (at < 1) throw new TypeError(`--env ${pair} has no "="`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  const interactive = positionals.length === 0;
  return {
    command: interactive ? ["bash", "-l"] : positionals,
    interactive,
    env: Object.fromEntries(env),
    ...(values.out === undefined ? {} : { outDirectory: values.out }),
    ...(values.memory === undefined
      ? {}
      : { memoryMiB: positive(values.memory, "--memory") }),
    ...(values.timeout === undefined
      ? {}
      : { timeoutSeconds: positive(values.timeout, "--timeout") }),
    ...(values.append === undefined ? {} : { kernelAppend: values.append }),
  };
}

/** Puts `--` before the command, so that its own options stay its own. */
function withSeparator(args: readonly string[]): string[] {
  const rest = args[0] === "--" ? args.slice(1) : [...args];
  let at = 0;
  while (at < rest.length) {
    const word = rest[at] ?? "";
    if (!word.startsWith("--") || word === "--") break;
    at += word.includes("=") ? 1 : 2;
  }
  return rest[at] === "--"
    ? rest
    : [...rest.slice(0, at), "--", ...rest.slice(at)];
}

function positive(text: string, flag: string): number {
  if (!/^[1-9]\d*$/.test(text)) {
    throw new TypeError(`${flag} ${text} is not a positive integer`);
  }
  return Number(text);
}

async function main(): Promise<number> {
  let options: GuestOptions;
  try {
    options = parseArguments(Deno.args);
  } catch (err) {
    console.error(`${err instanceof Error ? err.message : err}\n\n${USAGE}`);
    return 2;
  }
  if (options.interactive && !Deno.stdin.isTerminal()) {
    console.error(`Cannot open a shell: stdin is no terminal\n\n${USAGE}`);
    return 2;
  }
  return await untilInterrupted((signal) =>
    runInGuest({ ...options, signal, progress: showProgress, onLine: showLine })
  );
}

if (import.meta.main) Deno.exit(await main());

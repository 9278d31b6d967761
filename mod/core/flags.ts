/**
 * What stands on a command line, by the table of options that the command has.
 * Reads and names; what a value means is for others to say.
 *
 * @module
 */

import { FatalError } from "./errors.ts";

export interface Option {
  /** As in `--name`; of `run` also in the file, and in the environment `CLUSTERNET_NAME`. */
  readonly name: string;
  /** One letter, as in `-o VALUE`. */
  readonly short?: string;
  /** What stands for the value in help; "": a switch without one. */
  readonly metavar: string;
  /** As text; `undefined`: none, or found out at the start (the help says how). */
  readonly fallback: string | undefined;
  readonly help: string;
  /** May be given several times. */
  readonly list?: true;
  /** An empty value means something, in a variable too. */
  readonly mayBeEmpty?: true;
  /** Says where the file is, so the file cannot say it. */
  readonly flagOnly?: true;
}

/** A value as text, and where it stands, as a person would name it. */
export interface Given {
  readonly text: string;
  /** "--mtu 12", "CLUSTERNET_MTU=12", "mtu: 12 in /etc/clusternet.yaml" */
  readonly where: string;
}

export type GivenByName = ReadonlyMap<string, Given>;

/** Whose options they are. */
export interface Command {
  /** "run" */
  readonly name: string;
  readonly options: readonly Option[];
}

/** Was help asked for? Then nothing else counts. */
export function wantsHelp(args: readonly string[]): boolean {
  return args.some((arg) => arg === "--help" || arg === "-h");
}

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseFlags } from "./flags.ts";
 *
 * const options = [
 *   { name: "root", metavar: "DIR", fallback: undefined, help: "" },
 * ];
 * const given = parseFlags(["--root", "/image"], { name: "install", options });
 * assert.equal(given.get("root")?.text, "/image");
 * ```
 *
 * @throws {FatalError} of exit code 2
 */
export function parseFlags(
  args: readonly string[],
  command: Command,
): GivenByName {
  const given = new Map<string, Given>();
  for (let at = 0; at < args.length; at++) {
    const arg = longForm(args[at] ?? "", command);
    const [, name, inline] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(arg) ?? [];
    if (name === undefined) throw usage(unexpected(arg, command));
    const option = command.options.find((one) => one.name === name);
    if (option === undefined) {
      throw usage(
        `Unknown flag --${name}${suggestion(name, "--", command)} ${
          hint(command)
        }`,
      );
    }
    const separate = option.metavar !== "" && inline === undefined;
    const text = separate ? args[++at] : inline ?? "true";
    if (text === undefined || (separate && text.startsWith("--"))) {
      throw usage(
        `Cannot use --${name}: it needs a value, --${name} ${option.metavar}`,
      );
    }
    const before = given.get(name);
    if (before !== undefined && option.list === undefined) {
      throw usage(`Cannot use --${name} twice: give it once`);
    }
    const all = before === undefined ? text : `${before.text},${text}`;
    const where = option.metavar === "" && inline === undefined
      ? `--${name}`
      : `--${name} ${all}`;
    given.set(name, { text: all, where });
  }
  return given;
}

/** `-o` as `--output`. */
function longForm(arg: string, { options }: Command): string {
  const [, letter] = /^-([a-z])$/.exec(arg) ?? [];
  const option = options.find(({ short }) => short && short === letter);
  return option === undefined ? arg : `--${option.name}`;
}

/** Where all the options are listed. */
export function hint({ name }: Command): string {
  return `Run \`clusternet ${name} --help\` for all of them.`;
}

/** The rows of a `--help`. */
export function optionRows(options: readonly Option[]): readonly string[] {
  const usage = options.map(({ name, short, metavar }) =>
    `${short === undefined ? "" : `-${short}, `}--${name} ${metavar}`.trimEnd()
  );
  const width = Math.max(...usage.map((text) => text.length));
  return options.map(({ help, fallback, metavar }, at) => {
    const shown = fallback === undefined || metavar === ""
      ? ""
      : ` [${fallback}]`;
    return `  ${(usage[at] ?? "").padEnd(width)}  ${help}${shown}`;
  });
}

/** The end of the sentence: "; did you mean --mtu?" where one name is near. */
export function suggestion(
  wrong: string,
  prefix: string,
  { options }: Command,
): string {
  const near = nearest(wrong, options.map(({ name }) => name));
  return near === undefined ? "." : `; did you mean ${prefix}${near}?`;
}

/** What was meant, if one of them is near. */
export function nearest(
  wrong: string,
  names: readonly string[],
): string | undefined {
  const [near] = names.map((name) => ({
    name,
    far: name.startsWith(wrong) && wrong.length > 2 ? 0 : distance(wrong, name),
  })).sort((a, b) => a.far - b.far);
  return near === undefined || near.far > wrong.length / 3
    ? undefined
    : near.name;
}

export function usage(sentence: string): FatalError {
  return new FatalError(sentence, 2);
}

function unexpected(arg: string, command: Command): string {
  return arg.startsWith("-")
    ? `Unknown flag ${arg}: flags are written --name VALUE. ${hint(command)}`
    : `Unexpected argument ${JSON.stringify(arg)}: only flags follow. ${
      hint(command)
    }`;
}

/** Levenshtein's: how many letters to add, drop or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(
        (next[j] ?? 0) + 1,
        (row[j + 1] ?? 0) + 1,
        (row[j] ?? 0) + (letter === b[j] ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * Command lines of the programs around the tests.
 *
 * @module
 */

import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/**
 * The values of the options; `--` alone, which task runners pass on, is nothing.
 *
 * @param who takes no argument beside them: "the demo"
 * @throws {SyntaxError} one sentence
 */
export function parseOptions<T extends ParseArgsOptionsConfig>(
  who: string,
  args: readonly string[],
  options: T,
): ReturnType<typeof parse<T>>["values"] {
  const { values, positionals } = parse(args, options);
  const [extra] = positionals;
  if (extra === undefined || "help" in values) return values;
  throw new SyntaxError(`Cannot use "${extra}": ${who} takes only options`);
}

// deno-lint-ignore explicit-function-return-type -- its type follows from the options
function parse<T extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: T,
) {
  try {
    return parseArgs({
      args: args.filter((arg) => arg !== "--"),
      allowPositionals: true,
      options,
    });
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const [sentence = ""] = text.split(/\.\s/);
    throw new SyntaxError(sentence, { cause });
  }
}

/** @throws {SyntaxError} one sentence, where it is no whole number of that range */
export function wholeNumber(
  flag: string,
  text: string | undefined,
  range: {
    readonly least: number;
    readonly most: number;
    readonly otherwise: number;
  },
): number {
  const { least, most, otherwise } = range;
  if (text === undefined) return otherwise;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new SyntaxError(
    `Cannot use ${flag} ${text}: write a whole number from ${least} to ${most}`,
  );
}

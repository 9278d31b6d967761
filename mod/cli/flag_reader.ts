/**
 * Values of a command's flags, each checked where it is read.
 *
 * @module
 */

import {
  type Command,
  type GivenByName,
  parseFlags,
  usage,
} from "../core/flags.ts";
import { parseSwitch } from "../core/option_values.ts";

export interface FlagReader {
  readonly given: GivenByName;
  flag(name: string): boolean;
  /** `undefined`: not given. */
  value<T>(name: string, from: (text: string) => T): T | undefined;
}

/** @throws {FatalError} of exit code 2, also from what it returns */
export function flagReader(
  args: readonly string[],
  command: Command,
): FlagReader {
  const given = parseFlags(args, command);
  const value = <T>(name: string, from: (text: string) => T): T | undefined => {
    const found = given.get(name);
    if (found === undefined) return undefined;
    try {
      return from(found.text);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw usage(`Cannot use ${found.where}: ${cause.message}`);
    }
  };
  return {
    given,
    value,
    flag: (name) => value(name, parseSwitch) ?? false,
  };
}

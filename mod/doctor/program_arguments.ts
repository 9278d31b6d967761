/**
 * What a program of Kubernetes was started with, and the command that shows it
 * where the program was found.
 *
 * @module
 */

import type { ProgramFacts } from "../core/machine_facts.ts";
import type { Evidence, Found } from "./check.ts";
import { seen } from "./evidence.ts";

/** Of kube-apiserver and of kube-controller-manager. */
export const SERVICE_RANGE = "--service-cluster-ip-range";

/** `--name=value` or `--name value`. */
export function argumentOf(
  args: readonly string[],
  name: string,
): string | undefined {
  const at = args.findIndex((arg) =>
    arg === name || arg.startsWith(`${name}=`)
  );
  const arg = args[at];
  if (arg === undefined) return undefined;
  return arg === name ? args[at + 1] : arg.slice(name.length + 1);
}

/** Where that program has the argument. */
export function argumentShown(
  { args, place }: ProgramFacts,
  name: string,
): Evidence {
  const all = place.kind === "process"
    ? `tr '\\0' '\\n' < /proc/${place.pid}/cmdline`
    : `kubectl -n ${place.namespace} get pod ${place.name} -o yaml`;
  // The value of one that is a word of its own stands in the next line.
  const next = args.includes(name) ? " -A1" : "";
  return seen(
    `${all} | grep${next} ${name.replace(/^-+/, "")}`,
    `${name}=${argumentOf(args, name)}`,
  );
}

/**
 * What is wrong with an argument, of all programs that have it: those that have
 * the same value are one finding.
 *
 * @param judge `undefined`: nothing is
 */
export function wrongArguments(
  programs: readonly ProgramFacts[],
  name: string,
  judge: (value: string) => Omit<Found, "evidence"> | undefined,
): readonly Found[] {
  const byValue = Map.groupBy(programs, ({ args }) => argumentOf(args, name));
  return [...byValue].flatMap(([value, those]) => {
    const found = value === undefined ? undefined : judge(value);
    return found === undefined ? [] : [{
      ...found,
      evidence: those.map((program) => argumentShown(program, name)),
    }];
  });
}

/** Of these programs those that were told the Services' range; all where none was. */
export function knowServices(
  programs: readonly ProgramFacts[],
): readonly ProgramFacts[] {
  const told = programs.filter(({ args }) =>
    argumentOf(args, SERVICE_RANGE) !== undefined
  );
  return told.length > 0 ? told : programs;
}

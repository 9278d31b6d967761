/**
 * What a check is, and how a table of them is gone through: facts in, findings
 * out, in the order of the table, which is the order in which to act.
 *
 * @module
 */

import type { Facts, Gathered, Part } from "./facts.ts";

/**
 * - `error`: something does not work
 * - `warning`: it works, and will not always
 */
export type Severity = "error" | "warning";

export interface Evidence {
  /** As a person would type it. */
  readonly command: string;
  /** What it printed; or, where there is no such command here, what was read instead. */
  readonly output: string;
}

export interface Finding {
  readonly code: string;
  readonly severity: Severity;
  readonly sentence: string;
  readonly evidence: readonly Evidence[];
  /** What to do. */
  readonly cure: string;
  /** The one peer's that it is about; absent: it is about this machine. */
  readonly node?: string;
}

/** What a check itself says; its code stands in the table. */
export type Found = Omit<Finding, "code" | "severity"> & {
  /** "error" by default. */
  readonly severity?: Severity;
};

export interface Check {
  readonly code: string;
  /** What it looks at, for `--list`. */
  readonly what: string;
  readonly needs: readonly (keyof Facts)[];
  find(facts: Gathered): readonly Found[];
}

/** A check that sees only what it names: `find` is not asked where a part is missing. */
export function check<Name extends keyof Facts>(
  code: string,
  what: string,
  { needs, find }: {
    readonly needs: readonly Name[];
    readonly find: (
      facts: Pick<Facts, Name>,
    ) => readonly Found[] | Found | undefined;
  },
): Check {
  return {
    code,
    what,
    needs,
    find: (gathered) => {
      const parts = needs.map((name) => [name, valueOf(gathered[name])]);
      const found = find(Object.fromEntries(parts) as Pick<Facts, Name>);
      return found === undefined ? [] : [found].flat();
    },
  };
}

function valueOf<T>(part: Part<T> | undefined): T | undefined {
  return part !== undefined && "value" in part ? part.value : undefined;
}

export interface NotMade {
  readonly code: string;
  /** Why, as a sentence. */
  readonly why: string;
}

export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** Checks for which a fact is missing. */
  readonly notMade: readonly NotMade[];
  /** How many were made. */
  readonly made: number;
}

export function diagnose(
  checks: readonly Check[],
  facts: Gathered,
): Diagnosis {
  const findings: Finding[] = [];
  const notMade: NotMade[] = [];
  for (const { code, needs, find } of checks) {
    const why = needs.map((name) => missing(facts[name])).find((one) =>
      one !== undefined
    );
    if (why !== undefined) {
      notMade.push({ code, why });
      continue;
    }
    for (const { severity = "error", ...found } of find(facts)) {
      findings.push({ code, severity, ...found });
    }
  }
  return { findings, notMade, made: checks.length - notMade.length };
}

function missing(part: Part<unknown> | undefined): string | undefined {
  if (part === undefined) return "nobody looked";
  return "why" in part ? part.why : undefined;
}

/**
 * Of the JSON of `clusternet doctor`, which another version may have written.
 *
 * @returns `undefined`: it is none that we understand
 */
export function diagnosisIn(value: unknown): Diagnosis | undefined {
  const { findings, made, notMade, schema } = fieldsOf(value);
  const whole = schema === 1 && typeof made === "number" &&
    Array.isArray(findings) && findings.every(isFinding) &&
    Array.isArray(notMade) && notMade.every(isNotMade);
  return whole ? { findings, made, notMade } : undefined;
}

function isFinding(value: unknown): value is Finding {
  const { code, cure, evidence, sentence, severity } = fieldsOf(value);
  return areTexts(code, cure, sentence) &&
    (severity === "error" || severity === "warning") &&
    Array.isArray(evidence) && evidence.every((each) => {
      const { command, output } = fieldsOf(each);
      return areTexts(command, output);
    });
}

function isNotMade(value: unknown): value is NotMade {
  const { code, why } = fieldsOf(value);
  return areTexts(code, why);
}

function areTexts(...values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === "string");
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

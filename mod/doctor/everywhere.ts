/**
 * What the doctors of many Nodes find, put together by what it is: of each thing
 * the sentences, on how many Nodes, a few of their names, and the evidence of the
 * first. Keeps no more than a person is shown, of however many Nodes.
 *
 * @module
 */

import { NAMES, type Silence } from "../view/many_text.ts";
import type { Check, Diagnosis, Evidence, Finding, Severity } from "./check.ts";
import type { Part } from "./facts.ts";
import { firstLines } from "./text.ts";

/** Sentences of one check, and reasons, that are kept to be counted. */
const KEPT = 200;

/** The first names by the alphabet, and how many there were. */
export interface Some {
  readonly count: number;
  readonly names: readonly string[];
}

/** What was said in the same words. */
export interface Said {
  readonly sentence: string;
  readonly severity: Severity;
  readonly nodes: Some;
  /** Seen in the settings of the cluster itself. */
  readonly ofCluster: boolean;
  /** "": of the cluster. */
  readonly from: string;
  /** Those of `from`. */
  readonly evidence: readonly Evidence[];
  readonly cure: string;
}

/** All that one check has found. */
export interface Group {
  readonly code: string;
  /** What it looks at; `undefined`: a check of another version. */
  readonly what: string | undefined;
  readonly severity: Severity;
  readonly nodes: Some;
  /** Those on most Nodes first. */
  readonly said: readonly Said[];
  /** Findings whose sentences are not among those. */
  readonly more: number;
}

export interface ReasonGroup {
  readonly why: string;
  readonly codes: readonly string[];
  readonly nodes: Some;
}

export interface Everywhere {
  /** In the order in which to act. */
  readonly found: readonly Group[];
  readonly silent: readonly Silence[];
  readonly notMade: {
    readonly reasons: readonly ReasonGroup[];
    /** Reasons beyond those. */
    readonly more: number;
  };
  /** Nodes that were examined. */
  readonly nodes: number;
  /** Checks that were made on the Node where most were. */
  readonly made: number;
  readonly cluster: Pick<Diagnosis, "made" | "notMade">;
}

export class Examination {
  readonly #checks: readonly Check[];
  readonly #found = new Map<string, Counted>();
  readonly #reasons = new Map<string, Reason>();
  readonly #silent: Silence[] = [];
  readonly #elsewhere: ReadonlySet<string>;
  #cluster: Diagnosis = { findings: [], made: 0, notMade: [] };
  #moreReasons = 0;
  #nodes = 0;
  #made = 0;

  /**
   * @param checks in the order in which to act
   * @param elsewhere codes of those that the cluster itself is asked for: of a Node
   *   that could not make them there is nothing to say
   */
  constructor(checks: readonly Check[], elsewhere: readonly string[]) {
    this.#checks = checks;
    this.#elsewhere = new Set(elsewhere);
  }

  /** What its own settings show. */
  addCluster(diagnosis: Diagnosis): void {
    this.#cluster = diagnosis;
    this.#find("", diagnosis.findings);
  }

  add(name: string, part: Part<Diagnosis>): void {
    if ("why" in part) {
      this.#silent.push({ name, why: part.why });
      return;
    }
    const { findings, made, notMade } = part.value;
    this.#nodes++;
    this.#made = Math.max(this.#made, made);
    this.#find(name, findings);
    for (const { code, why } of notMade) this.#miss(name, code, why);
  }

  #find(name: string, findings: readonly Finding[]): void {
    for (const finding of findings) {
      const { code } = finding;
      let counted = this.#found.get(code);
      if (counted === undefined) this.#found.set(code, counted = new Counted());
      counted.add(name, finding);
    }
  }

  #miss(name: string, code: string, why: string): void {
    if (this.#elsewhere.has(code)) return;
    let reason = this.#reasons.get(why);
    if (reason === undefined) {
      if (this.#reasons.size >= KEPT) {
        this.#moreReasons++;
        return;
      }
      this.#reasons.set(why, reason = new Reason());
    }
    reason.add(name, code);
  }

  result(): Everywhere {
    const places = new Map(this.#checks.map(({ code }, at) => [code, at]));
    const placeOf = (code: string): number => places.get(code) ?? Infinity;
    const byPlace = (a: string, b: string): number =>
      placeOf(a) === placeOf(b)
        ? compare(a, b)
        : placeOf(a) < placeOf(b)
        ? -1
        : 1;
    const found = [...this.#found].sort(([a], [b]) => byPlace(a, b)).map((
      [code, counted],
    ) => ({
      code,
      what: this.#checks.find((check) => check.code === code)?.what,
      ...counted.result(),
    }));
    const reasons = [...this.#reasons].map(([why, { codes, nodes }]) => ({
      ...{ why, nodes: nodes.result() },
      codes: [...codes].sort(byPlace),
    })).sort((a, b) =>
      b.nodes.count - a.nodes.count ||
      byPlace(a.codes[0] ?? "", b.codes[0] ?? "")
    );
    return {
      found,
      silent: this.#silent.toSorted((a, b) => a.name < b.name ? -1 : 1),
      notMade: { reasons, more: this.#moreReasons },
      nodes: this.#nodes,
      made: this.#made,
      cluster: this.#cluster,
    };
  }
}

class Names {
  #count = 0;
  #names: string[] = [];
  #last: string | undefined;

  /** The same again and again counts once. */
  add(name: string): void {
    if (name === this.#last) return;
    this.#last = name;
    this.#count++;
    this.#names = [...this.#names, name].sort().slice(0, NAMES);
  }

  result(): Some {
    return { count: this.#count, names: this.#names };
  }
}

class Reason {
  readonly codes = new Set<string>();
  readonly nodes = new Names();

  add(name: string, code: string): void {
    this.codes.add(code);
    this.nodes.add(name);
  }
}

type Words = Omit<Said, "nodes" | "ofCluster"> & {
  readonly nodes: Names;
  readonly ofCluster: boolean;
};

/** Of one check. */
class Counted {
  readonly #said = new Map<string, Words>();
  readonly #nodes = new Names();
  #severity: Severity = "warning";
  #more = 0;

  add(name: string, { cure, evidence, sentence, severity }: Finding): void {
    if (severity === "error") this.#severity = "error";
    if (name !== "") this.#nodes.add(name);
    const before = this.#said.get(sentence);
    if (before === undefined && this.#said.size >= KEPT) {
      this.#more++;
      return;
    }
    const nodes = before?.nodes ?? new Names();
    if (name !== "") nodes.add(name);
    const first = before === undefined || name < before.from;
    this.#said.set(sentence, {
      ...(first
        ? { ...{ from: name, cure, severity }, evidence: evidence.map(short) }
        : before),
      ...{ sentence, nodes, ofCluster: before?.ofCluster || name === "" },
    });
  }

  result(): Omit<Group, "code" | "what"> {
    const said = [...this.#said.values()].map((words) => ({
      ...words,
      nodes: words.nodes.result(),
    })).sort((a, b) =>
      b.nodes.count - a.nodes.count ||
      (a.from === b.from
        ? compare(a.sentence, b.sentence)
        : compare(a.from, b.from))
    );
    return {
      ...{ said, severity: this.#severity, more: this.#more },
      nodes: this.#nodes.result(),
    };
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function short({ command, output }: Evidence): Evidence {
  return { command, output: firstLines(output).join("\n") };
}

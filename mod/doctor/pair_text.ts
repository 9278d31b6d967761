/**
 * The path between two Nodes as people read it.
 *
 * @module
 */

import type { TextOptions } from "../view/status_text.ts";
import { fold, type Paint, shown } from "../view/text.ts";
import type { Explanation, Grade, Hop, Verdict, Way } from "./pair.ts";
import { firstLines } from "./text.ts";

const WORDS: Readonly<Record<Grade, string>> = {
  good: "ok",
  warning: "look",
  broken: "BROKEN",
  unknown: "?",
};

const MARGIN = Math.max(...Object.values(WORDS).map(({ length }) => length));

/** Lines without line ends. */
export function pairText(
  { ways, verdict }: Explanation,
  options: TextOptions,
): readonly string[] {
  return [
    ...ways.flatMap((way) => [...wayText(way, options), ""]),
    ...verdictText(verdict, options),
  ];
}

function wayText(
  { from, to, hops }: Way,
  options: TextOptions,
): readonly string[] {
  const title = options.paint.bold(shown(`From ${from} to ${to}`));
  return [title, ...hops.flatMap((hop) => hopText(hop, options))];
}

function hopText(
  { grade, sentence, evidence, cure, check }: Hop,
  { width, paint }: TextOptions,
): readonly string[] {
  const indent = " ".repeat(MARGIN + 4);
  const code = check === undefined ? "" : ` [${check}]`;
  const [first = "", ...rest] = fold(`${sentence}${code}`, {
    width,
    lead: indent,
  });
  const word = WORDS[grade];
  const mark = paintOf(grade, paint)(word) +
    " ".repeat(MARGIN - word.length);
  return [
    `  ${mark}  ${first.trimStart()}`,
    ...rest,
    ...evidence.flatMap(({ command, output }) => [
      ...fold(command, { width, lead: `${indent}$ ` }).map(paint.dim),
      ...firstLines(output).flatMap((line) =>
        fold(line, { width, lead: `${indent}  ` }).map(paint.dim)
      ),
    ]),
    ...cure === "" ? [] : fold(cure, { width, lead: `${indent}→ ` }),
  ];
}

function paintOf(grade: Grade, paint: Paint): (text: string) => string {
  switch (grade) {
    case "good":
      return paint.good;
    case "warning":
    case "unknown":
      return paint.warn;
    case "broken":
      return paint.bad;
  }
}

function verdictText(
  { grade, sentence, cure }: Verdict,
  { width, paint }: TextOptions,
): readonly string[] {
  const style = {
    stands: paint.good,
    broken: paint.bad,
    unknown: paint.warn,
  }[grade];
  return [
    ...fold(sentence, { width, lead: "" }).map(style),
    ...cure === "" ? [] : fold(cure, { width, lead: "→ " }),
  ];
}

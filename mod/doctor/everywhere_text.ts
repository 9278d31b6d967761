/**
 * What is wrong in a whole cluster, as people read it.
 *
 * @module
 */

import { silentText } from "../view/many_text.ts";
import type { TextOptions } from "../view/status_text.ts";
import { fold, shown } from "../view/text.ts";
import { countText } from "../view/units.ts";
import type { Severity } from "./check.ts";
import type { Everywhere, Group, Said, Some } from "./everywhere.ts";

/** Sentences of one check that are told one by one. */
const SENTENCES = 5;

/** Reasons for which checks were not made. */
const REASONS = 10;

/** Its settings, which no Node shows. */
const ITSELF = "the cluster itself";

/** Lines without line ends. */
export function everywhereText(
  server: string,
  everywhere: Everywhere,
  options: TextOptions,
): readonly string[] {
  const { found, silent } = everywhere;
  const { paint } = options;
  const verdict = [
    ...found.length === 0 ? [] : [`${found.length} found`],
    ...silent.length === 0
      ? []
      : [`${countText(silent.length)} could not be examined`],
  ].join(", ");
  return [
    `${paint.bold(shown(server))}  ${
      verdict === "" ? paint.good("nothing found") : paint.bad(verdict)
    }`,
    ...found.flatMap((group, at) => [
      "",
      ...groupText(group, at + 1, everywhere, options),
    ]),
    ...silentText("Not examined", silent, options),
    "",
    ...madeText(everywhere, options),
  ];
}

function groupText(
  { code, more, nodes, said, severity, what }: Group,
  number: number,
  everywhere: Everywhere,
  options: TextOptions,
): readonly string[] {
  const { width } = options;
  const lead = `${number}. `;
  const indent = " ".repeat(lead.length);
  const mark = `[${code}${severity === "error" ? "" : `, ${severity}`}]`;
  const style = styleOf(severity, options);
  const [first] = said;
  if (first === undefined) return [];
  if (said.length === 1 && more === 0) {
    return [
      ...fold(`${first.sentence} ${mark}`, { width, lead }).map(style),
      ...fold(capital(on(first.nodes, everywhere)), { width, lead: indent }),
      ...evidenceText(first, indent, options),
      ...fold(first.cure, { width, lead: `${indent}→ ` }),
    ];
  }
  const told = said.slice(0, SENTENCES);
  const rest = said.slice(SENTENCES).reduce(
    (sum, { nodes: { count } }) => sum + Math.max(count, 1),
    more,
  );
  const oneCure = told.every(({ cure }) => cure === first.cure);
  const where = on(nodes, everywhere);
  const title = `Amiss ${where}: ${
    what ?? "as another version sees it"
  } ${mark}`;
  return [
    ...fold(title, { width, lead }).map(style),
    ...told.flatMap((each, at) => [
      ...fold(`${namesOf(each.nodes, everywhere)}: ${each.sentence}`, {
        ...{ width, lead: `${indent}- ` },
      }),
      ...at > 0 ? [] : evidenceText(each, `${indent}  `, options),
      ...oneCure ? [] : fold(each.cure, { width, lead: `${indent}  → ` }),
    ]),
    ...rest === 0
      ? []
      : [`${indent}… and ${countText(rest)} more: -o json has all`],
    ...oneCure ? fold(first.cure, { width, lead: `${indent}→ ` }) : [],
  ];
}

function styleOf(
  severity: Severity,
  { paint }: TextOptions,
): (text: string) => string {
  return severity === "error" ? paint.bad : paint.warn;
}

function evidenceText(
  { evidence, from }: Said,
  indent: string,
  { paint, width }: TextOptions,
): readonly string[] {
  const prompt = from === "" ? "$ " : `${shown(from)} $ `;
  return evidence.flatMap(({ command, output }) => [
    ...fold(command, { width, lead: indent + prompt }),
    ...output.split("\n").filter((line) => line !== "").flatMap((line) =>
      fold(line, { width, lead: `${indent}  ` })
    ),
  ]).map(paint.dim);
}

/** "on n1, n2" */
function on(nodes: Some, everywhere: Pick<Everywhere, "nodes">): string {
  return nodes.count === 0
    ? `in ${ITSELF}`
    : `on ${namesOf(nodes, everywhere)}`;
}

function namesOf(
  { count, names }: Some,
  { nodes: all }: Pick<Everywhere, "nodes">,
): string {
  if (count === 0) return ITSELF;
  if (count === all && count > 1) return `all ${countText(count)} Nodes`;
  const rest = count - names.length;
  const list = names.join(", ");
  return rest > 0 ? `${list} and ${countText(rest)} more` : list;
}

function madeText(
  everywhere: Everywhere,
  { width }: TextOptions,
): readonly string[] {
  const { cluster, nodes, notMade: { more, reasons } } = everywhere;
  const line = (text: string): readonly string[] =>
    fold(text, { width, lead: "" });
  const told = reasons.slice(0, REASONS);
  const rest = reasons.length - told.length + more;
  const byWhy = Map.groupBy(cluster.notMade, ({ why }) => why);
  return [
    ...line(`${summaryOf(everywhere)}.`),
    ...told.flatMap(({ codes, nodes: those, why }) =>
      line(
        `Not made ${on(those, { nodes })}: ${codes.join(", ")}: ${why}`,
      )
    ),
    ...rest === 0
      ? []
      : [`… and ${countText(rest)} more reasons: -o json has all`],
    ...[...byWhy].flatMap(([why, those]) =>
      line(
        `Not made in ${ITSELF}: ${
          those.map(({ code }) => code).join(", ")
        }: ${why}`,
      )
    ),
  ];
}

function summaryOf({ cluster, made, nodes }: Everywhere): string {
  const some = nodes === 1 ? "1 Node" : `${countText(nodes)} Nodes`;
  const itself = `${ITSELF} by ${cluster.made}`;
  if (nodes === 0) return `No Node was examined, ${itself} checks`;
  if (made === 0) {
    return `${some} asked for what they are set to, ${itself} checks`;
  }
  const each = `${some} examined by ${made} checks each`;
  const looked = cluster.made + cluster.notMade.length > 0;
  return looked ? `${each}, ${itself}` : each;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

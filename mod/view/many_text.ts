/**
 * Of many Nodes what they have in common, a few by name, and how many more there
 * are.
 *
 * @module
 */

import type { TextOptions } from "./status_text.ts";
import { fold } from "./text.ts";
import { countText } from "./units.ts";

/** Of what is amiss, as many are told one by one; a whole rack that is away makes thousands. */
export const SHOWN = 50;

/** Names beside what many have in common. */
export const NAMES = 5;

export interface Silence {
  /** Of the Node. */
  readonly name: string;
  readonly why: string;
}

/** Each by itself, or of many how many have the same reason; nothing where all have answered. */
export function silentText(
  title: string,
  silent: readonly Silence[],
  { paint, width }: TextOptions,
): readonly string[] {
  if (silent.length === 0) return [];
  const head = paint.bold(`${title}: ${countText(silent.length)}`);
  const line = (text: string): readonly string[] =>
    fold(text, { width, lead: "- " });
  if (silent.length <= SHOWN) {
    const lines = silent.flatMap(({ name, why }) => line(`${name}: ${why}`));
    return ["", head, ...lines];
  }
  const groups = largest(Map.groupBy(silent, ({ why }) => withoutPlace(why)));
  return [
    "",
    head,
    ...groups.slice(0, SHOWN).flatMap(([why, those]) =>
      line(`${countText(those.length)} (${namesOf(those)}): ${why}`)
    ),
    ...moreOf(groups.length, "reasons"),
  ];
}

/** @param count of all, of which the first `SHOWN` have been told */
export function moreOf(count: number, what: string): readonly string[] {
  return count <= SHOWN
    ? []
    : [`… and ${countText(count - SHOWN)} more ${what}: -o json has all`];
}

/** The largest groups first. */
export function largest<Item>(
  groups: ReadonlyMap<string, readonly Item[]>,
): readonly (readonly [name: string, items: readonly Item[]])[] {
  return [...groups].sort(([a, some], [b, others]) =>
    others.length - some.length || (a < b ? -1 : 1)
  );
}

/** What many say of their pods, each of its own, is the same. */
function withoutPlace(why: string): string {
  return why.replaceAll(/\bpod [a-z0-9.-]+\/[a-z0-9.-]+/g, "pod");
}

function namesOf(those: readonly { readonly name: string }[]): string {
  const names = those.slice(0, NAMES).map(({ name }) => name).join(", ");
  return those.length > NAMES ? `${names}, …` : names;
}

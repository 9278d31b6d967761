/**
 * Colour, where it is wanted: on a terminal, unless NO_COLOR says otherwise
 * (no-color.org: present and not empty).
 *
 * @module
 */

/** How a piece of text is to look: plain, or with colour. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

export function makePaint(colour: boolean): Paint {
  const style = (code: number) => (text: string): string =>
    colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  return { good: style(32), bad: style(31), dim: style(2), bold: style(1) };
}

/** For standard output. */
export function standardPaint(): Paint {
  const refused = (Deno.env.get("NO_COLOR") ?? "") !== "";
  return makePaint(Deno.stdout.isTerminal() && !refused);
}

/**
 * The file of variables that the unit reads (systemd.exec(5), EnvironmentFile=):
 * lines NAME=VALUE, quoted where need be, comments from `#` or `;` on.
 *
 * @module
 */

/** Needs no quotes, and means the same to systemd and to a shell. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]*$/;

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseEnvFile } from "./env_file.ts";
 *
 * const read = parseEnvFile('# A=1\nB="two words"\n');
 * assert.deepEqual([...read], [["B", "two words"]]);
 * ```
 */
export function parseEnvFile(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.replaceAll("\\\n", "").split("\n")) {
    const [, name = "", value = ""] =
      /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name !== "") values.set(name, unquote(value.trim()));
  }
  return values;
}

/**
 * The same file with these values. A line that sets the name already, or shows
 * it in a comment (`#NAME=…`), gives its place; else it comes to the end.
 *
 * @throws {SyntaxError} for a value with a line break, which no line can hold
 */
export function setInEnvFile(
  text: string,
  values: ReadonlyMap<string, string>,
): string {
  const lines = text.replace(/\n$/, "").split("\n");
  for (const [name, value] of values) {
    const line = `${name}=${quote(value)}`;
    const at = [`${name}=`, `#${name}=`, `# ${name}=`]
      .map((start) => lines.findIndex((one) => one.startsWith(start)))
      .find((found) => found >= 0);
    if (at === undefined) lines.push(line);
    else lines[at] = line;
  }
  return `${lines.join("\n")}\n`;
}

function quote(value: string): string {
  if (/[\n\r\0]/.test(value)) {
    throw new SyntaxError(
      `${JSON.stringify(value)} does not fit into one line`,
    );
  }
  return PLAIN.test(value)
    ? value
    : `"${value.replaceAll(/["\\$\u0060]/g, "\\$&")}"`;
}

function unquote(text: string): string {
  const [, double] = /^"(.*)"$/s.exec(text) ?? [];
  if (double !== undefined) return double.replaceAll(/\\(["\\$\u0060])/g, "$1");
  const [, single] = /^'(.*)'$/s.exec(text) ?? [];
  return single ?? text.replaceAll(/\\(.)/g, "$1");
}

/**
 * The manual page clusternet(8), made of what `--help` prints: whatever the
 * program can be told stands there, and nothing else.
 *
 * @module
 */

export interface Help {
  /** `clusternet help` */
  readonly general: string;
  /** Name of each command that has a help of its own, to that. */
  readonly commands: ReadonlyMap<string, string>;
}

export interface ManOptions {
  readonly version: string;
  readonly date: Date;
}

/** As `--name VALUE  text` stands in a help, and `name  Text` of commands. */
const ROW = /^ {2}(--[a-z-]+(?: [A-Z]+)?(?= {2})|[a-z]+) +(\S.*)$/;

/** @returns roff, man(7) */
export function manText(help: Help, { version, date }: ManOptions): string {
  const [first = ""] = help.general.split("\n");
  const day = date.toISOString().slice(0, 10);
  return [
    `.TH CLUSTERNET 8 "${day}" "clusternet ${version}" "System Administration"`,
    ".SH NAME",
    "clusternet \\- Kubernetes pod network over WireGuard",
    ".SH SYNOPSIS",
    ".B clusternet",
    ".I COMMAND",
    ".RI [ OPTIONS ]",
    ".SH DESCRIPTION",
    escape(first),
    ...body(help.general, "COMMANDS"),
    ...[...help.commands].flatMap(([name, text]) => [
      `.SH "CLUSTERNET ${name.toUpperCase()}"`,
      ...body(text, undefined),
    ]),
    ".SH FILES",
    ...FILES.flatMap(([path, what]) => [
      ".TP",
      `.I ${escape(path)}`,
      escape(what),
    ]),
    ".SH SEE ALSO",
    ".BR wg (8),",
    ".BR ip (8),",
    ".BR systemctl (1)",
    "",
  ].join("\n");
}

const FILES: readonly (readonly [string, string])[] = [
  [
    "/etc/clusternet/clusternet.env",
    "Variables of the service: the options of run.",
  ],
  [
    "/var/lib/clusternet/private.key",
    "The node's private key, made at the first start. Whoever has it is this node.",
  ],
  [
    "/var/lib/clusternet/state.json",
    "Which version's format that directory has.",
  ],
  [
    "/etc/cni/net.d/10-clusternet.conflist",
    "The CNI configuration: a link into /run, valid once the agent has run.",
  ],
];

/** Rows become a list, "Usage:" an example, all else paragraphs. The first line is left to the caller. */
function* body(text: string, list: string | undefined): Generator<string> {
  const [first = "", ...lines] = text.trimEnd().split("\n");
  if (list === undefined) yield escape(sentenceOf(first));
  let open = false;
  for (const line of lines) {
    const [, term, what = ""] = ROW.exec(line) ?? [];
    if (term !== undefined) {
      yield* [".TP", `.B ${escape(term)}`, escape(what)];
      open = true;
    } else if (line === "Commands:") {
      if (list !== undefined) yield `.SH ${list}`;
    } else if (line.startsWith("Usage: ")) {
      if (list === undefined) {
        yield* [".PP", `.B ${escape(line.slice("Usage: ".length))}`];
      }
    } else if (line.startsWith(" ") && open) {
      yield escape(line.trim());
    } else if (line === "") {
      open = false;
      yield ".PP";
    } else {
      yield escape(line.trim());
    }
  }
}

/** "clusternet run: connect this node's pods." → "Connect this node's pods." */
function sentenceOf(line: string): string {
  const text = line.replace(/^clusternet [a-z-]+: /, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** groff_char(7); a line must not begin as a request does. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}

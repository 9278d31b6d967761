/**
 * CHANGELOG.md as Debian's changelog has it (Debian Policy, section 4.4): one
 * entry a version, newest first.
 *
 * @module
 */

export interface ChangelogOptions {
  /** Of the package: what is unreleased goes under it. */
  readonly version: string;
  readonly maintainer: string;
  /** Of what is unreleased. */
  readonly date: Date;
}

interface Release {
  /** `undefined`: unreleased. */
  readonly version: string | undefined;
  readonly date: Date | undefined;
  readonly items: readonly string[];
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = [
  ...["Jan", "Feb", "Mar", "Apr", "May", "Jun"],
  ...["Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
];

/** Of a line, without its indent. */
const WIDTH = 74;

/** @param markdown in the format of Keep a Changelog */
export function debianChangelog(
  markdown: string,
  options: ChangelogOptions,
): string {
  const releases = releasesOf(markdown)
    .filter(({ items }) => items.length > 0);
  return releases.map((release) => {
    const version = release.version ?? options.version;
    const date = release.date ?? options.date;
    return [
      `clusternet (${version}) unstable; urgency=medium`,
      "",
      ...release.items.flatMap(wrapped),
      "",
      ` -- ${options.maintainer}  ${mailDate(date)}`,
      "",
    ].join("\n");
  }).join("\n");
}

/** RFC 5322, section 3.3, in UTC. */
export function mailDate(date: Date): string {
  const two = (number: number): string => String(number).padStart(2, "0");
  const clock = [
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ];
  return `${DAYS[date.getUTCDay()]}, ${two(date.getUTCDate())} ${
    MONTHS[date.getUTCMonth()]
  } ${date.getUTCFullYear()} ${clock.map(two).join(":")} +0000`;
}

function releasesOf(markdown: string): readonly Release[] {
  return markdown.split(/^## /m).slice(1).map((section) => {
    const [heading = ""] = section.split("\n");
    const [, version] = /^\[?(\d[^\]\s]*)\]?/.exec(heading) ?? [];
    const [day] = /\d{4}-\d\d-\d\d/.exec(heading) ?? [];
    const items = [...section.matchAll(/^- ((?:.+\n?)(?: {2}.*\n?)*)/gm)];
    return {
      version,
      date: day === undefined ? undefined : new Date(`${day}T00:00:00Z`),
      items: items.map(([, text = ""]) => text.replaceAll(/\s+/g, " ").trim()),
    };
  });
}

/** "  * words", its further lines below the first word. */
function wrapped(item: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of item.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((text, at) =>
    `${at === 0 ? "  * " : "    "}${text}`
  );
}

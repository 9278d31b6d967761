import assert from "node:assert/strict";
import { debianChangelog, mailDate } from "../../deploy/debian_changelog.ts";
import { manText } from "../../deploy/man.ts";

const OPTIONS = {
  version: "0.3.0",
  maintainer: "A. Person <person@example.org>",
  date: new Date("2026-11-22T18:05:09Z"),
};

Deno.test("debianChangelog() is what dpkg-parsechangelog reads, newest first", () => {
  const text = debianChangelog(
    `# Changelog

## Unreleased

### Added

- A thing that takes more words than fit into one line of a file that people
  read on a terminal.

## 0.2.0 - 2026-03-01

### Fixed

- \`that\`

## [0.1.0] - 2026-02-07

- First.
`,
    OPTIONS,
  );
  assert.equal(
    text,
    `clusternet (0.3.0) unstable; urgency=medium

  * A thing that takes more words than fit into one line of a file that people
    read on a terminal.

 -- A. Person <person@example.org>  Sun, 22 Nov 2026 18:05:09 +0000

clusternet (0.2.0) unstable; urgency=medium

  * \`that\`

 -- A. Person <person@example.org>  Sun, 01 Mar 2026 00:00:00 +0000

clusternet (0.1.0) unstable; urgency=medium

  * First.

 -- A. Person <person@example.org>  Sat, 07 Feb 2026 00:00:00 +0000
`,
  );
});

Deno.test("mailDate() is RFC 5322's", () => {
  assert.equal(
    mailDate(new Date("2026-01-05T00:00:00Z")),
    "Mon, 05 Jan 2026 00:00:00 +0000",
  );
});

Deno.test("manText() has every row of every help, and no stray request", () => {
  const text = manText({
    general: `clusternet does things.

Usage: clusternet COMMAND [OPTIONS]

Commands:
  run       Be the agent
  uninstall Take it off again;
            all of it

Exit codes: 0 well.
`,
    commands: new Map([[
      "run",
      `clusternet run: connect this node.

Usage: clusternet run [FLAGS]

  --root DIR  .hidden and 'quoted' [/]
  --once      Converge\\exit.

More of it.
`,
    ]]),
  }, OPTIONS);
  const lines = text.split("\n");
  const has = (...wanted: readonly string[]): void =>
    assert(text.includes(wanted.join("\n")), `${wanted.join("|")}\n${text}`);
  has('.TH CLUSTERNET 8 "2026-11-22" "clusternet 0.3.0"');
  has(
    ".TP",
    ".B run",
    "Be the agent",
    ".TP",
    ".B uninstall",
    "Take it off again;",
    "all of it",
  );
  has(".TP", ".B \\-\\-root DIR", "\\&.hidden and 'quoted' [/]");
  has(".TP", ".B \\-\\-once", "Converge\\eexit.");
  has('.SH "CLUSTERNET RUN"', "Connect this node.");
  for (const line of lines) {
    if (/^[.']/.test(line)) assert.match(line, /^\.(TH|SH|TP|PP|B|BR|I|RI)\b/);
  }
});

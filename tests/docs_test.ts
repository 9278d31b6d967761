/**
 * What the documentation says is what the program does.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NO_PROMPT, PERMISSIONS, V8_FLAGS } from "../deploy/permissions.ts";
import { deployedFiles, EXECUTABLE } from "../mod/cli/install_files.ts";
import { allHelp } from "../mod/cli/doctor_all_options.ts";
import { pairHelp } from "../mod/cli/doctor_pair_options.ts";
import { installHelp, uninstallHelp } from "../mod/cli/install_options.ts";
import { planHelp } from "../mod/cli/plan_options.ts";
import { supportBundleHelp } from "../mod/cli/support_options.ts";
import { helpText } from "../mod/core/config.ts";
import { tableText } from "../mod/core/nft_text.ts";
import { pageAfter, pageWith, readCases } from "./kube/conformance_doc.ts";
import { testTable } from "./support/tables.ts";

const ROOT = new URL("../", import.meta.url);

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

function* pages(): Generator<string> {
  for (const name of ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]) {
    yield name;
  }
  for (const { name } of Deno.readDirSync(new URL("docs/", ROOT))) {
    yield `docs/${name}`;
  }
}

Deno.test("the README's options are those of clusternet run --help", () => {
  const [, block] = /<!-- options[^>]*-->\s+```\n([\s\S]*?)```/.exec(
    read("README.md"),
  ) ?? [];
  assert.equal(block, helpText().trimEnd() + "\n");
});

Deno.test("docs/conformance.md is as deno task conformance --write writes it", () => {
  const page = read("docs/conformance.md");
  assert.equal(pageWith(page, readCases(page)), page);
});

Deno.test("pageAfter() changes the column of the family that was run, and no other", () => {
  const page = read("docs/conformance.md");
  const known = readCases(page);
  const [first = "", ...others] = known.keys();
  const result = { name: first, seconds: 1, output: "" } as const;
  const after = readCases(pageAfter(page, {
    family: "ipv6",
    results: [{ ...result, outcome: "skipped", reason: "no time" }],
    all: [first, ...others],
  }));
  const expected = new Map(known)
    .set(first, { ...known.get(first), "ipv6": "skipped: no time" });
  assert.deepEqual(after, expected);
});

Deno.test("docs/install.md has the options of install and uninstall", () => {
  const text = read("docs/install.md");
  for (
    const [name, help] of [
      ["install", installHelp()],
      ["uninstall", uninstallHelp()],
    ] as const
  ) {
    const block = new RegExp(
      `<!-- ${name}:[^>]*-->\\s+\`\`\`\n([\\s\\S]*?)\`\`\``,
    ).exec(text);
    assert.equal(block?.[1], help.trimEnd() + "\n");
  }
});

Deno.test("docs/plan.md has the options of plan and of support-bundle", () => {
  const text = read("docs/plan.md");
  for (
    const [name, help] of [
      ["plan", planHelp()],
      ["support-bundle", supportBundleHelp()],
    ] as const
  ) {
    const block = new RegExp(
      `<!-- ${name}:[^>]*-->\\s+\`\`\`\n([\\s\\S]*?)\`\`\``,
    ).exec(text);
    assert.equal(block?.[1], help.trimEnd() + "\n");
  }
});

Deno.test("docs/doctor.md has the options of doctor --pair and of doctor --all", () => {
  const text = read("docs/doctor.md");
  for (const [name, help] of [["pair", pairHelp()], ["all", allHelp()]]) {
    const block = new RegExp(
      `<!-- ${name}:[^>]*-->\\s+\`\`\`\n([\\s\\S]*?)\`\`\``,
    ).exec(text);
    assert.equal(block?.[1], help?.trimEnd() + "\n");
  }
});

Deno.test("docs/install.md says where each deployed file lies", () => {
  const text = read("docs/install.md");
  const rows = [...text.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]);
  for (const { target } of deployedFiles({ executable: EXECUTABLE })) {
    assert(rows.includes(target), target);
  }
  assert(rows.includes(EXECUTABLE));
});

Deno.test("the table in docs/how-it-works.md is the one that the agent makes", () => {
  const [, block] = /<!-- table[^>]*-->\s+```\n([\s\S]*?)```/.exec(
    read("docs/how-it-works.md"),
  ) ?? [];
  const text = tableText(testTable("10.0.0.0/16", "10.0.1.0/24"))
    .replaceAll(/ comment "[^"]*"/g, "").replaceAll("\t", "  ");
  assert.equal(block, text);
});

Deno.test("the README starts with the two commands, and they are tasks", () => {
  const [, block = ""] = /^# clusternet\n\n```sh\n([\s\S]*?)```/.exec(
    read("README.md"),
  ) ?? [];
  const tasks = Object.keys(JSON.parse(read("deno.json")).tasks);
  const named = [...block.matchAll(/^npx -y deno@[\d.]+ task (\S+)/gm)]
    .map((match) => match[1]);
  assert.deepEqual(named, ["demo", "test"]);
  for (const name of named) assert(tasks.includes(name ?? ""));
});

Deno.test("the README starts the agent with what deno task permissions prints", async () => {
  const readme = read("README.md");
  assert.match(
    readme,
    /deno@[\d.]+ run [^$]*\$\(npx -y deno@[\d.]+ task --quiet permissions\)/,
  );
  assert.doesNotMatch(readme, /--allow-|--v8-flags/);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "permissions"],
    cwd: ROOT,
  }).output();
  assert.equal(
    new TextDecoder().decode(stdout),
    `${[NO_PROMPT, ...PERMISSIONS, V8_FLAGS].join(" ")}\n`,
  );
});

Deno.test("every task is described", () => {
  const { tasks } = JSON.parse(read("deno.json"));
  for (const [name, task] of Object.entries(tasks)) {
    assert(
      typeof task === "object" && task !== null && "description" in task,
      `task ${name} has no description`,
    );
  }
});

Deno.test("every file that a page names by a link or as code is there", () => {
  const wrong: string[] = [];
  for (const page of pages()) {
    const text = read(page);
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)];
    const code = [
      ...text.matchAll(/`((?:mod|tests|docs|deploy|ffi)\/[\w./-]+)`/g),
    ];
    const there = [
      ...links.map(([, path = ""]) => new URL(path, new URL(page, ROOT))),
      ...code.map(([, path = ""]) => new URL(path, ROOT)),
    ];
    for (const path of there) {
      try {
        Deno.statSync(path);
      } catch {
        wrong.push(`${page}: ${path.href.slice(ROOT.href.length)}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("the sentences in docs/troubleshooting.md are the program's", () => {
  const source = [...sources(new URL("mod/", ROOT))].join("\n")
    // Sentences that the formatter has broken are one again.
    .replaceAll(/["`] \+\s+["`]/g, "");
  const rows = read("docs/troubleshooting.md").matchAll(/^\| `([^`]+)`/gm);
  const wrong: string[] = [];
  for (const [, sentence = ""] of rows) {
    const [longest = ""] = sentence.replaceAll("clusternet", "…").split("…")
      .map((part) => part.replace(/^[;:, ]+|[:, ]+$/g, ""))
      .sort((a, b) => b.length - a.length);
    if (!source.includes(longest)) wrong.push(`${sentence} ("${longest}")`);
  }
  assert.deepEqual(wrong, []);
});

function* sources(folder: URL): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else yield Deno.readTextFileSync(new URL(name, folder));
  }
}

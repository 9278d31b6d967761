/**
 * A dry run as a shell script: what a person reads is in comments, what is to be
 * done in commands.
 *
 * @module
 */

import type { DryRun } from "../core/dry_run.ts";

export function planText(run: DryRun): string {
  const { notes, peers, problems, steps } = run;
  const lines = [`# Node ${run.node} at ${run.time}`];
  for (const problem of problems) lines.push(comment("In the way", problem));
  for (const note of notes) lines.push(comment("Note", note));
  if (steps.length === 0) {
    const many = `${peers} peer${peers === 1 ? "" : "s"}`;
    lines.push(
      problems.length === 0
        ? `Nothing to do: all stands as it should (${many})`
        : "# Nothing can be done about that from here",
    );
  }
  for (const { shell, why } of steps) {
    lines.push("", comment("", why), ...shell);
  }
  return `${lines.join("\n")}\n`;
}

/** On one line, whatever others wrote into it: what follows it is run. */
function comment(label: string, text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");
  return label === "" ? `# ${plain}` : `# ${label}: ${plain}`;
}

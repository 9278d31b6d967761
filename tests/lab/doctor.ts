/**
 * Asks `clusternet doctor` on a node of a lab.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Diagnosis } from "../../mod/doctor/check.ts";
import type { Proof } from "../../mod/doctor/encryption.ts";
import { SHELL } from "./exec.ts";
import { eventually, patience } from "./harness.ts";
import { runAgent } from "./look.ts";
import type { LabNode } from "./node.ts";

/** @throws {AssertionError} where the exit code is not that of what it found */
export async function doctor(
  node: LabNode,
  flags: readonly string[] = [],
): Promise<Diagnosis> {
  const command = node.agentCommand(["-o", "json", ...flags], "doctor");
  return answerOf(await runAgent(node, command));
}

/** Waits until the agent complains of something, or of nothing: it sees in its next turn what was mended. */
export async function agentIsWell(node: LabNode, well = true): Promise<void> {
  await eventually(`the agent is ${well ? "" : "not "}well`, async () => {
    const { findings } = await doctor(node, ["--only", "agent-unhealthy"]);
    return (findings.length === 0) === well ? true : undefined;
  }, patience(40_000));
}

/** On a machine that has no programs at all, as in the agent's image. */
export async function doctorWithoutPrograms(
  node: LabNode,
): Promise<Diagnosis> {
  return await doctorUnder(node, ["/usr/bin/env", "PATH=/nowhere"]);
}

/** By one who may not look into other processes. */
export async function doctorWithoutPtrace(
  node: LabNode,
  flags: readonly string[],
): Promise<Diagnosis> {
  const command = ["setpriv", "--bounding-set", "-sys_ptrace"];
  return await doctorUnder(node, command, flags);
}

/** Started by that command. */
async function doctorUnder(
  node: LabNode,
  prefix: readonly string[],
  flags: readonly string[] = [],
): Promise<Diagnosis> {
  const command = node.agentCommand(["-o", "json", ...flags], "doctor");
  return answerOf(await runAgent(node, within(command, prefix)));
}

/** A command of a node, started in it by these words. */
export function within(
  command: readonly string[],
  words: readonly string[],
): readonly string[] {
  // nsenter's own: what follows runs in the node.
  const at = command.indexOf("--") + 1;
  assert.ok(at > 0, command.join(" "));
  return [...command.slice(0, at), ...words, ...command.slice(at)];
}

/** The same, after shell lines among mounts that no other program sees. */
export function amongOwnMounts(
  command: readonly string[],
  lines: string,
): readonly string[] {
  const script = `${lines}; exec "$@"`;
  return within(command, [
    ...["unshare", "--mount", "--", SHELL, "-ec", script, "sh"],
  ]);
}

/** What `clusternet doctor -o json` has printed. */
export function answerOf({ code, stdout, stderr }: {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}): Diagnosis {
  assert.ok(code === 0 || code === 1, `exit code ${code}: ${stderr}`);
  const answer: Diagnosis = JSON.parse(stdout);
  assert.equal(code, answer.findings.length > 0 ? 1 : 0);
  return answer;
}

/** Holds one finding of one check, and what it says. */
export function assertFound(
  answer: Diagnosis,
  code: string,
  says: RegExp,
): void {
  const text = JSON.stringify(answer, null, 1);
  const finding = answer.findings.find((one) => one.code === code);
  assert.ok(finding !== undefined, `${code} finds nothing: ${text}`);
  assert.match(finding.sentence, says, text);
  assert.ok(finding.evidence.length > 0, text);
}

export interface ProofAnswer extends Proof {
  readonly proven: boolean;
  readonly sentence: string;
}

/** `clusternet doctor --prove-encryption`. */
export async function prove(
  node: LabNode,
  ...flags: readonly string[]
): Promise<ProofAnswer> {
  const all = ["--prove-encryption", "-o", "json", ...flags];
  const { code, stdout, stderr } = await runAgent(
    node,
    node.agentCommand(all, "doctor"),
  );
  assert.ok(code === 0 || code === 1, `exit code ${code}: ${stderr}`);
  const answer: ProofAnswer = JSON.parse(stdout);
  assert.equal(code === 0, answer.proven, stdout);
  return answer;
}

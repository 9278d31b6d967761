/**
 * A step as lines for a shell, each to be pasted as it is: the text of the log,
 * quoted where a name has signs that a shell takes for its own.
 *
 * @module
 */

import type { Prefix } from "./address.ts";
import { CNI_RUN_DIRECTORY } from "./cni.ts";
import type { PeerChange, Step } from "./state.ts";
import { peerChangeText, stepText } from "./step_text.ts";

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { shellLines } from "./shell_text.ts";
 *
 * assert.deepEqual(
 *   shellLines({ kind: "set-link-mtu", link: "clusternet", mtu: 1440 }, []),
 *   ["ip link set clusternet mtu 1440"],
 * );
 * ```
 *
 * @param allowedIps what the step's peer has once it is done
 */
export function shellLines(
  step: Step,
  allowedIps: readonly Prefix[],
): readonly string[] {
  switch (step.kind) {
    case "peer":
      return [
        `wg set ${quoted(step.link)} ${peerWords(step.change, allowedIps)}`,
      ];
    case "set-private-key":
      return [`wg set ${quoted(step.link)} private-key ${quoted(step.file)}`];
    case "set-table": {
      const [command, ...batch] = stepText(step).split(" ");
      return [`${command} ${quoted(batch.join(" ").slice(1, -1))}`];
    }
    case "write-conflist":
      return conflistLines(step.file, step.text);
    case "create-link":
    case "set-link-alias":
    case "set-link-mtu":
    case "set-link-up":
    case "set-listen-port":
    case "add-address":
    case "remove-address":
    case "add-route":
    case "remove-route":
    case "set-sysctl":
      return [stepText(step).split(" ").map(quoted).join(" ")];
  }
}

/** With the whole list: many a wg(8) is too old for `+` and `-`. */
function peerWords(
  change: PeerChange,
  allowedIps: readonly Prefix[],
): string {
  if (change.kind === "remove-peer") return peerChangeText(change);
  const { addAllowedIps, removeAllowedIps, node } = change;
  const same = addAllowedIps.length + removeAllowedIps.length === 0;
  if (same) return peerChangeText(change);
  const rest = { ...change, addAllowedIps: [], removeAllowedIps: [] };
  const end = ` # Node ${node}`;
  const words = peerChangeText(rest).slice(0, -end.length);
  return `${words} allowed-ips ${quoted(allowedIps.join(","))}${end}`;
}

/** Makes the key that is not there yet: for its owner alone, and never shown. */
export function makeKeyLine(file: string): string {
  const directory = file.slice(0, Math.max(1, file.lastIndexOf("/")));
  return `(umask 077; mkdir -p ${quoted(directory)} && wg genkey > ${
    quoted(file)
  })`;
}

/** The text lies on tmpfs; what runtimes read is a link to it. */
function conflistLines(file: string, text: string): readonly string[] {
  const name = file.slice(file.lastIndexOf("/") + 1);
  const target = quoted(`${CNI_RUN_DIRECTORY}/${name}`);
  return [
    `mkdir -p -m 0700 ${CNI_RUN_DIRECTORY}`,
    `printf %s ${quoted(text)} > ${target}`,
    `ln -sfn ${target} ${quoted(file)}`,
  ];
}

/** One word, whatever is in it. */
function quoted(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

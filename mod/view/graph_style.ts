/**
 * How states, ages and traffic look, the same in every picture. Never by colour
 * alone: dash and mark say it as well.
 *
 * @module
 */

import type { Tunnel, TunnelState } from "./graph_model.ts";

/** `old`: idle, and nobody has spoken for long. */
export type Look = TunnelState | "old";

/** In the order of a legend. */
export const LOOKS: readonly Look[] = ["up", "idle", "old", "absent", "down"];

/** Of a handshake. */
const OLD_SECONDS = 3_600;

export function lookOf(
  state: TunnelState,
  { handshakeSeconds }: Pick<Tunnel, "handshakeSeconds">,
): Look {
  const old = (handshakeSeconds ?? Infinity) > OLD_SECONDS;
  return state === "idle" && old ? "old" : state;
}

/** Classes of an element in SVG: what is old is idle too. */
export function classesOf(look: Look): string {
  return look === "old" ? "idle old" : look;
}

/** On white each has a contrast of at least 4.5 (WCAG 1.4.3). */
export const COLORS: Readonly<Record<Look, string>> = {
  up: "#1a7f37",
  idle: "#0a6c84",
  old: "#57606a",
  down: "#cf222e",
  absent: "#8a5a00",
};

/** As in SVG's stroke-dasharray; "": solid. */
export const DASHES: Readonly<Record<Look, string>> = {
  up: "",
  idle: "10 6",
  old: "10 14",
  down: "4 4",
  absent: "1 6",
};

/** Upon a line, or in a cell. */
export const MARKS: Readonly<Record<Look, string>> = {
  up: "",
  idle: "",
  old: "",
  down: "✕",
  absent: "!",
};

export const LEGEND: Readonly<Record<Look, string>> = {
  up: "up: there is a session",
  idle: "idle: nothing to say, or it answered a probe",
  old: "idle, no handshake for an hour",
  down: "down: no answer",
  absent: "no peer",
};

/** Pixels: 1.5 up to a KiB, three quarters of one more for each tenfold. */
export function strokeWidth({ aToBBytes, bToABytes }: Tunnel): number {
  const tens = Math.log10(Math.max(1, (aToBBytes + bToABytes) / 1_024));
  return Math.round((1.5 + Math.min(6, tens * 0.75)) * 10) / 10;
}

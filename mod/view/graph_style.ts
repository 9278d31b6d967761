/**
 * How states and traffic look, the same in every picture. Never by colour
 * alone: dash and mark say it as well.
 *
 * @module
 */

import type { Tunnel, TunnelState } from "./graph_model.ts";

/** On white each has a contrast of at least 4.5 (WCAG 1.4.3). */
export const COLORS: Readonly<Record<TunnelState, string>> = {
  up: "#1a7f37",
  idle: "#57606a",
  down: "#cf222e",
  absent: "#8a5a00",
};

/** As in SVG's stroke-dasharray; "": solid. */
export const DASHES: Readonly<Record<TunnelState, string>> = {
  up: "",
  idle: "10 6",
  down: "4 4",
  absent: "1 6",
};

/** Upon a line, or in a cell. */
export const MARKS: Readonly<Record<TunnelState, string>> = {
  up: "",
  idle: "",
  down: "✕",
  absent: "!",
};

export const LEGEND: Readonly<Record<TunnelState, string>> = {
  up: "up: there is a session",
  idle: "idle: nothing to say, or it answered a probe",
  down: "down: no answer",
  absent: "no peer",
};

/** Pixels: 1.5 up to a KiB, three quarters of one more for each tenfold. */
export function strokeWidth({ aToBBytes, bToABytes }: Tunnel): number {
  const tens = Math.log10(Math.max(1, (aToBBytes + bToABytes) / 1_024));
  return Math.round((1.5 + Math.min(6, tens * 0.75)) * 10) / 10;
}

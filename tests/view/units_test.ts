import assert from "node:assert/strict";
import { bytesText, durationText } from "../../mod/view/units.ts";

const DURATIONS: readonly (readonly [seconds: number, text: string])[] = [
  [-1, "0 s"],
  [59.4, "59 s"],
  [59.5, "1 min"],
  [60, "1 min"],
  [3_599, "59 min 59 s"],
  [3_600, "1 h"],
  [3_659, "1 h"],
  [7_260, "2 h 1 min"],
  [86_400 * 400, "400 d"],
];

for (const [seconds, text] of DURATIONS) {
  Deno.test(`durationText() of ${seconds} s is ${text}`, () => {
    assert.equal(durationText(seconds), text);
  });
}

const SIZES: readonly (readonly [bytes: number, text: string])[] = [
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_024, "1.00 KiB"],
  [10_235, "10.0 KiB"],
  [1_048_575, "1.00 MiB"],
  [2 ** 53, "8.00 PiB"],
];

for (const [bytes, text] of SIZES) {
  Deno.test(`bytesText() of ${bytes} is ${text}`, () => {
    assert.equal(bytesText(bytes), text);
  });
}

import assert from "node:assert/strict";
import {
  parseStateRecord,
  STATE_FORMAT,
  type StateRecord,
  stateRecordText,
} from "../../mod/core/state_record.ts";
import { VERSION } from "../../mod/core/version.ts";
import { Random } from "../support/random.ts";

Deno.test("parseStateRecord() tells ours, older and newer by the format alone", () => {
  const rows: readonly (readonly [string, StateRecord])[] = [
    [`{"format":2,"writtenBy":"0.1.0"}`, { kind: "ours" }],
    [`{"format":2,"writtenBy":"9.9.9"}\n`, { kind: "ours" }],
    [` {"writtenBy":"1.0.0-rc.1+abc","format":2} `, { kind: "ours" }],
    [`{"format":2,"writtenBy":"1","more":{"of":[1]}}`, { kind: "ours" }],
    [`{"format":1,"writtenBy":"0.1.0"}`, { kind: "older", format: 1 }],
    [`{"format":3,"writtenBy":"0.3.0"}`, newer(3, "0.3.0")],
    [`{"format":99,"writtenBy":"9","keys":[]}`, newer(99, "9")],
  ];
  for (const [text, record] of rows) {
    assert.deepEqual(parseStateRecord(text, 2), record, text);
  }
});

Deno.test("parseStateRecord() takes a newer format for one, whatever else it holds", () => {
  for (
    const writtenBy of [
      "null",
      "7",
      `""`,
      `{"version":"2"}`,
      `"two\\nlines"`,
      `"\\u001b[31mred"`,
      `"${"9".repeat(65)}"`,
    ]
  ) {
    const text = `{"format":2,"writtenBy":${writtenBy}}`;
    assert.deepEqual(parseStateRecord(text, 1), newer(2, undefined), text);
  }
  assert.deepEqual(parseStateRecord(`{"format":2}`, 1), newer(2, undefined));
});

Deno.test("parseStateRecord() takes anything else for garbage", () => {
  const whole = stateRecordText(VERSION);
  const rows = [
    "",
    "\n",
    "null",
    "1",
    "[]",
    "{}",
    `{"format":1}`,
    `{"writtenBy":"0.1.0"}`,
    `{"format":"1","writtenBy":"0.1.0"}`,
    `{"format":1.5,"writtenBy":"0.1.0"}`,
    `{"format":0,"writtenBy":"0.1.0"}`,
    `{"format":-1,"writtenBy":"0.1.0"}`,
    `{"format":1e999,"writtenBy":"0.1.0"}`,
    `{"format":1,"writtenBy":""}`,
    `{"format":1,"writtenBy":1}`,
    `{"format":1,"writtenBy":"a b"}`,
    `{"__proto__":{"format":1,"writtenBy":"0.1.0"}}`,
    `${whole}${whole}`,
    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n",
    ...Array.from(
      { length: whole.trim().length - 1 },
      (_, n) => whole.slice(0, n),
    ),
  ];
  for (const text of rows) {
    assert.deepEqual(parseStateRecord(text), { kind: "garbage" }, text);
  }
});

Deno.test("parseStateRecord() throws for no text, and reads what stateRecordText() writes", () => {
  const random = new Random(4);
  for (let round = 0; round < 2_000; round++) {
    const bytes = random.bytes(random.below(80));
    parseStateRecord(new TextDecoder().decode(bytes));
  }
  assert.equal(
    stateRecordText("0.1.0"),
    `{"format":${STATE_FORMAT},"writtenBy":"0.1.0"}\n`,
  );
  assert.deepEqual(parseStateRecord(stateRecordText(VERSION)), {
    kind: "ours",
  });
});

function newer(format: number, writtenBy: string | undefined): StateRecord {
  return { kind: "newer", format, writtenBy };
}

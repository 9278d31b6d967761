import assert from "node:assert/strict";
import { load } from "js-yaml";
import { YamlRecords } from "../../mod/cli/yaml_records.ts";
import { JsonRecords, listOf, type Records } from "../../mod/view/records.ts";
import { ODD_NAMES } from "../support/statuses.ts";

const HEAD = { server: "https://192.0.2.9", "odd\n: key": ODD_NAMES };

const ITEMS = ODD_NAMES.map((name, at) => ({ name, list: [at, [name], {}] }));

function whole(records: Records): string {
  let text = records.begin(HEAD) + records.list("nodes");
  const items = ITEMS.map((item) => records.item(item));
  for (const some of [[], items.slice(0, 2), [], items.slice(2)]) {
    text += records.rows(some);
  }
  text += records.endList();
  text += [...listOf(records, "none", [])].join("");
  return text + [...listOf(records, "breaks", ITEMS)].join("") + records.end();
}

const WHOLE = { ...HEAD, nodes: ITEMS, none: [], breaks: ITEMS };

Deno.test("JsonRecords writes an object piece by piece, an item a line", () => {
  const text = whole(new JsonRecords());
  assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(WHOLE)));
  const lines = text.split("\n").map((line) => line.replace(/,$/, ""));
  for (const item of ITEMS) assert.ok(lines.includes(JSON.stringify(item)));
});

Deno.test("YamlRecords writes an object piece by piece", () => {
  // A lone surrogate is none in UTF-8, and so not in YAML.
  const plain = JSON.parse(JSON.stringify(WHOLE));
  assert.deepEqual(load(whole(new YamlRecords())), plain);
});

Deno.test("listOf() gives a long list in pieces of some size", () => {
  const pieces = [...listOf(new JsonRecords(), "x", Array(50_000).fill("abc"))];
  assert.ok(pieces.length > 3);
  for (const piece of pieces) assert.ok(piece.length < 70_000);
});

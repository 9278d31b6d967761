import assert from "node:assert/strict";
import {
  annotationPatch,
  decodeJsonRefToken,
  encodeJsonRefToken,
  type Json,
  partsFromPointer,
  pointerFromParts,
} from "../../mod/core/json_patch.ts";
import { applyPatch } from "../fakes/json_patch.ts";
import { Random } from "../support/random.ts";

Deno.test("encodeJsonRefToken() escapes ~ and /, and is undone", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["asdf123", "asdf123"],
    ["a/b", "a~1b"],
    ["m~n", "m~0n"],
    ["a/m~n", "a~1m~0n"],
    ["~1", "~01"],
    ["", ""],
  ];
  for (const [token, text] of rows) {
    assert.equal(encodeJsonRefToken(token), text);
    assert.equal(decodeJsonRefToken(text), token);
  }
});

Deno.test("pointerFromParts() joins encoded parts, and is undone", () => {
  const rows: readonly (readonly [readonly string[], string])[] = [
    [[], ""],
    [[""], "/"],
    [["foo"], "/foo"],
    [["foo", "0"], "/foo/0"],
    [["a/b"], "/a~1b"],
    [[" "], "/ "],
    [["m~n"], "/m~0n"],
    [["", ""], "//"],
  ];
  for (const [parts, pointer] of rows) {
    assert.equal(pointerFromParts(parts), pointer);
    assert.deepEqual(partsFromPointer(pointer), parts);
  }
});

Deno.test("the pointers of RFC 6901, section 5 find what the RFC says", () => {
  const document: Json = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
  };
  const rows: readonly (readonly [string, Json])[] = [
    ["", document],
    ["/foo", ["bar", "baz"]],
    ["/foo/0", "bar"],
    ["/", 0],
    ["/a~1b", 1],
    ["/c%d", 2],
    ["/e^f", 3],
    ["/g|h", 4],
    ["/i\\j", 5],
    ['/k"l', 6],
    ["/ ", 7],
    ["/m~0n", 8],
  ];
  for (const [path, value] of rows) {
    applyPatch(document, [{ op: "test", path, value }]);
    assert.equal(pointerFromParts(partsFromPointer(path)), path);
  }
});

Deno.test("what is no pointer is refused", () => {
  for (const text of ["foo", "a/b", "/~", "/~2", "/a~"]) {
    assert.throws(() => partsFromPointer(text), SyntaxError, text);
  }
  for (const text of ["a/b", "~", "~2"]) {
    assert.throws(() => decodeJsonRefToken(text), SyntaxError, text);
  }
});

Deno.test("pointers survive the round trip, whatever the parts", () => {
  const random = new Random(6901);
  const letters = ["~", "/", "0", "1", "", " ", "ä", "\u0000", "-", "a"];
  for (let round = 0; round < 2000; round++) {
    const parts = Array.from(
      { length: random.below(5) },
      () =>
        Array.from({ length: random.below(5) }, () => random.pick(letters))
          .join(""),
    );
    assert.deepEqual(partsFromPointer(pointerFromParts(parts)), parts);
  }
});

const KEY = "clusternet.dev/wg-pubkey";

Deno.test("annotationPatch() names the Node by UID and touches one key", () => {
  const ops = annotationPatch(
    { uid: "u1", resourceVersion: "7", annotations: { other: "x" } },
    KEY,
    { value: "K=" },
  );
  assert.deepEqual(ops, [
    { op: "test", path: "/metadata/uid", value: "u1" },
    {
      op: "add",
      path: "/metadata/annotations/clusternet.dev~1wg-pubkey",
      value: "K=",
    },
  ]);
});

Deno.test("annotationPatch() makes the map where there is none, and guards it", () => {
  for (const annotations of [undefined, null]) {
    const ops = annotationPatch(
      { uid: "u1", resourceVersion: "7", annotations },
      KEY,
      { value: "K=" },
    );
    const metadata = { uid: "u1", resourceVersion: "7" };
    assert.deepEqual(applyPatch({ metadata }, ops), {
      metadata: { ...metadata, annotations: { [KEY]: "K=" } },
    });
    // Somebody made the map meanwhile: the patch fails rather than empty it.
    const newer = {
      metadata: { ...metadata, resourceVersion: "8", annotations: { a: "b" } },
    };
    assert.throws(() => applyPatch(newer, ops), /test/);
    // The same name, another Node.
    const other = { metadata: { ...metadata, uid: "u2" } };
    assert.throws(() => applyPatch(other, ops), /test/);
  }
});

Deno.test("annotationPatch() keeps hostile keys out of the path's structure", () => {
  for (const key of ["a/../../spec", "~1", "__proto__", "-", "0"]) {
    const before = {
      metadata: { uid: "u", resourceVersion: "1", annotations: { x: "y" } },
      spec: { podCIDR: "10.0.0.0/24" },
    };
    const ops = annotationPatch(before.metadata, key, { value: "v" });
    const after = applyPatch(before, ops);
    assert(typeof after === "object" && after !== null && "spec" in after);
    assert.deepEqual(after.spec, before.spec);
    const text = JSON.stringify(after);
    assert(text.includes(`${JSON.stringify(key)}:"v"`), text);
  }
});

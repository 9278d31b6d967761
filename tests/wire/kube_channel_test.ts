import assert from "node:assert/strict";
import {
  decodeChannelMessage,
  decodeProgramEnd,
} from "../../mod/wire/kube_channel.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("decodeChannelMessage() splits the number from what was said", () => {
  assert.deepEqual(
    decodeChannelMessage(new Uint8Array([1, 104, 105])),
    { channel: 1, bytes: bytes("hi") },
  );
  assert.throws(() => decodeChannelMessage(new Uint8Array()), SyntaxError);
});

Deno.test("decodeProgramEnd() reads success, an exit code, a failure and nonsense", () => {
  const end = (text: string): unknown => decodeProgramEnd(bytes(text));
  assert.deepEqual(end('{"status":"Success"}'), { kind: "exit", code: 0 });
  // As kube-apiserver 1.36 says it of a program that exits with 3.
  assert.deepEqual(
    end(
      '{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}',
    ),
    { kind: "exit", code: 3 },
  );
  assert.deepEqual(end('{"status":"Failure","message":"no such container"}'), {
    kind: "failure",
    why: "no such container",
  });
  for (const text of ["", "null", "[]", "{", '"x"']) {
    assert.equal((end(text) as { kind: string }).kind, "failure", text);
  }
});

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { type ForwardDrop, forwardSentences } from "../../mod/core/forward.ts";
import type { Match } from "../../mod/core/nftables.ts";

const POD = parsePrefix("10.0.1.0/24");

function accept(side: "saddr" | "daddr", prefix: string): readonly Match[] {
  return [{ kind: "address", side, prefix: parsePrefix(prefix), inside: true }];
}

Deno.test("forwardSentences() says what to do unless a rule accepts pods both ways", () => {
  const from = accept("saddr", "10.0.1.0/24");
  const to = accept("daddr", "10.0.0.0/16");
  const rows: readonly [ForwardDrop["accepts"], number][] = [
    [[], 1],
    [[from], 1],
    [[to], 1],
    [[from, to], 0],
    [[[]], 0], // everything
    [[from, accept("daddr", "10.0.2.0/24")], 1],
    [[[...from, { kind: "output-link", link: "eth0", is: true }], to], 1],
  ];
  for (const [accepts, count] of rows) {
    const sentences = forwardSentences([{ family: 4, accepts }], [POD]);
    assert.equal(sentences.length, count, JSON.stringify(accepts));
  }
  assert.deepEqual(forwardSentences([{ family: 6, accepts: [] }], [POD]), []);
  assert.deepEqual(forwardSentences([], [POD]), []);
});

Deno.test("forwardSentences() names the commands", () => {
  const six = parsePrefix("fd00:0:0:1::/64");
  const [sentence] = forwardSentences([{ family: 6, accepts: [] }], [POD, six]);
  assert.match(
    sentence ?? "",
    /: ip6tables -I FORWARD -s fd00:0:0:1::\/64 -j ACCEPT; ip6tables -I FORWARD -d fd00:0:0:1::\/64 -j ACCEPT$/,
  );
});

import assert from "node:assert/strict";
import { isIP } from "node:net";
import {
  type Address,
  addressBytes,
  addressFromBytes,
  contains,
  endpointText,
  firstAddress,
  makePrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  prefixAddress,
  prefixBits,
} from "../../mod/core/address.ts";
import { Random } from "../support/random.ts";

Deno.test("parseAddress() gives one spelling", () => {
  const rows: [string, string][] = [
    ["10.0.0.1", "10.0.0.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["fd00:0:0:1:0:0:0:0", "fd00:0:0:1::"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::", "::"],
  ];
  for (const [text, expected] of rows) {
    assert.equal(parseAddress(text), expected);
  }
});

Deno.test("parseAddress() refuses what is no plain address", () => {
  const rows = [
    "",
    "1..2.3",
    "0x10.1.1.1",
    " 1.1.1.1",
    "01.2.3.4",
    "1.2.3",
    "fe80::1%eth0",
    "::ffff:1.2.3.4",
    "1.2.3.4/24",
    "node",
  ];
  for (const text of rows) {
    assert.throws(() => parseAddress(text), SyntaxError, text);
  }
});

Deno.test("parsePrefix() masks host bits", () => {
  const rows: [string, string][] = [
    ["10.0.1.7/24", "10.0.1.0/24"],
    ["10.0.1.7/32", "10.0.1.7/32"],
    ["10.255.255.255/9", "10.128.0.0/9"],
    ["1.2.3.4/0", "0.0.0.0/0"],
    ["fd00:1:2:3:4::/64", "fd00:1:2:3::/64"],
    ["fd00:1:2:3:4::/60", "fd00:1:2::/60"],
  ];
  for (const [text, expected] of rows) {
    assert.equal(parsePrefix(text), expected);
  }
});

Deno.test("parsePrefix() refuses what is no prefix", () => {
  for (
    const text of [
      "10.0.0.0",
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "a/8",
      "10.0.0.0/08",
      "10.0.0.0/8/8",
      "10.0.0.0/-1",
    ]
  ) {
    assert.throws(() => parsePrefix(text), SyntaxError, text);
  }
});

Deno.test("addressFromBytes() undoes addressBytes()", () => {
  const random = new Random(7);
  for (let round = 0; round < 2_000; round++) {
    const bytes = random.bytes(random.pick([4, 16]));
    // Zero groups are what IPv6 text is about.
    if (bytes.length === 16) {
      for (let at = 0; at < 16; at += 2) {
        if (random.chance(0.6)) bytes.fill(0, at, at + 2);
      }
      if (bytes.subarray(0, 10).every((byte) => byte === 0)) bytes[0] = 0x20;
    }
    const address = addressFromBytes(bytes);
    assert.equal(parseAddress(address), address, `seed ${random.seed}`);
    assert.deepEqual(addressBytes(address), bytes, `seed ${random.seed}`);
  }
});

Deno.test("contains() and overlaps() know their families", () => {
  const p = parsePrefix;
  assert(contains(p("10.0.0.0/16"), p("10.0.1.0/24")));
  assert(contains(p("10.0.0.0/16"), p("10.0.0.0/16")));
  assert(!contains(p("10.0.1.0/24"), p("10.0.0.0/16")));
  assert(contains(p("10.0.0.0/16"), parseAddress("10.0.255.255")));
  assert(!contains(p("10.0.0.0/16"), parseAddress("10.1.0.0")));
  assert(!contains(p("0.0.0.0/0"), p("::/0")));
  assert(overlaps(p("10.0.0.0/24"), p("10.0.0.128/25")));
  assert(overlaps(p("fd00::/16"), p("fd00:1::/64")));
  assert(!overlaps(p("10.0.0.0/24"), p("10.0.1.0/24")));
});

Deno.test("firstAddress() is the network address plus one", () => {
  assert.equal(firstAddress(parsePrefix("10.0.1.0/24")), "10.0.1.1");
  assert.equal(firstAddress(parsePrefix("fd00:1::/64")), "fd00:1::1");
});

Deno.test("endpointText() brackets IPv6", () => {
  assert.equal(endpointText(parseAddress("10.0.0.1"), 7838), "10.0.0.1:7838");
  assert.equal(endpointText(parseAddress("fd00::1"), 7838), "[fd00::1]:7838");
});

/** All bits of an address as one number. */
function whole(address: Address): bigint {
  return addressBytes(address).reduce(
    (sum, byte) => sum << 8n | BigInt(byte),
    0n,
  );
}

Deno.test("contains() is what comparing whole numbers gives", () => {
  const random = new Random(5);
  for (let turn = 0; turn < 5000; turn++) {
    const bytes = random.pick([4, 16]);
    const bits = random.below(bytes * 8 + 1);
    const outer = makePrefix(random.bytes(bytes), bits);
    // Near enough to be inside now and then.
    const near = addressBytes(prefixAddress(outer));
    const at = random.below(bytes);
    near[at] = (near[at] ?? 0) ^ (1 << random.below(8));
    const inner = makePrefix(near, random.below(bytes * 8 + 1));
    const shift = BigInt(bytes * 8 - bits);
    const expected = prefixBits(inner) >= bits &&
      whole(prefixAddress(inner)) >> shift ===
        whole(prefixAddress(outer)) >> shift;
    assert.equal(contains(outer, inner), expected, `${outer} ${inner}`);
  }
});

Deno.test("parseAddress() takes what node:net takes, zones and mapped ones excepted", () => {
  const random = new Random(20261122);
  // deno-fmt-ignore
  const pieces = ["0", "1", "255", "256", "00", "fe80", "FFFF", "12345", "g", ":", ":", "::", ".", "1.2.3.4", "01.2.3.4", " ", "/", "]", "\n", "%eth0", "[", "@", "\t", "１"];
  const plain = ["0", "1", "ff", "ABCD", ":", ":", ":", "::", "1.2.3.4"];
  let good = 0;
  for (let round = 0; round < 100_000; round++) {
    const from = random.chance(0.5) ? pieces : plain;
    const text = Array.from(
      { length: 1 + random.below(18) },
      () => random.pick(from),
    ).join("");
    let taken = true;
    try {
      parseAddress(text);
      good++;
    } catch (error) {
      assert.ok(error instanceof SyntaxError);
      if (error.message.includes("mapped")) continue;
      taken = false;
    }
    assert.equal(taken, isIP(text) !== 0 && !text.includes("%"), text);
  }
  assert.ok(good > 1_000, `only ${good} of them were addresses`);
});

/**
 * Links, addresses and routes against the bytes of ip(8) and of the kernel.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parseAddress, parsePrefix } from "../../mod/core/address.ts";
import { type Route, WORST_METRIC } from "../../mod/core/state.ts";
import { Attributes, NLA_F_NESTED } from "../../mod/wire/attribute.ts";
import {
  addAddress,
  decodeAddress,
  decodeAddressMarks,
  removeAddress,
} from "../../mod/wire/ifaddr.ts";
import {
  createLink,
  decodeLink,
  deleteLink,
  setLinkAlias,
  setLinkMtu,
  setLinkUp,
} from "../../mod/wire/link.ts";
import { decodeNetconf } from "../../mod/wire/netconf.ts";
import {
  decodeAck,
  decodeMessages,
  encodeRequest,
  type Message,
  type Request,
} from "../../mod/wire/netlink.ts";
import { decodeAnyRule, decodePolicyRule } from "../../mod/wire/policy_rule.ts";
import {
  addRoute,
  decodeRoute,
  decodeRouteMarks,
  removeRoute,
} from "../../mod/wire/route.ts";
import { loadGolden } from "../golden/load.ts";

const golden = loadGolden("rtnetlink.txt");

/** The index of cn0 in the namespace of the capture. */
const INDEX = 3;

/** include/uapi/linux/rtnetlink.h */
const RTM_NEWRULE = 32;

/** struct ifinfomsg */
const IFINFOMSG_BYTES = 16;

/** include/uapi/linux/if_link.h */
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;

const ROUTES: Readonly<Record<"four" | "six" | "worst4" | "worst6", Route>> = {
  four: {
    destination: parsePrefix("10.0.0.0/16"),
    type: "unicast",
    device: "cn0",
    source: parseAddress("10.0.1.1"),
    metric: 0,
    protocol: 78,
  },
  six: {
    destination: parsePrefix("fd00::/16"),
    type: "unicast",
    device: "cn0",
    source: parseAddress("fd00:1::1"),
    metric: 1024,
    protocol: 78,
  },
  worst4: {
    destination: parsePrefix("10.0.0.0/16"),
    type: "unreachable",
    device: undefined,
    source: undefined,
    metric: WORST_METRIC,
    protocol: 78,
  },
  worst6: {
    destination: parsePrefix("fd00::/16"),
    type: "unreachable",
    device: undefined,
    source: undefined,
    metric: WORST_METRIC,
    protocol: 78,
  },
};

/** ip(8) asks a question or two first: the last message is the one. */
function sentBy(command: string): Message {
  const [message] = decodeMessages(
    golden(command).sent.at(-1) ?? Uint8Array.of(),
  );
  assert(message !== undefined, command);
  return message;
}

function receivedBy(command: string): readonly Message[] {
  return golden(command).received.flatMap(decodeMessages);
}

function messageOf(request: Request, sequence: number): Message {
  const [message] = decodeMessages(encodeRequest(request, sequence));
  assert(message !== undefined);
  return message;
}

const address4 = { index: INDEX, address: parseAddress("10.0.1.1"), bits: 32 };
const address6 = {
  index: INDEX,
  address: parseAddress("fd00:1::1"),
  bits: 128,
};

const SAME: Readonly<Record<string, Request>> = {
  "ip address add 10.0.1.1/32 dev cn0": addAddress(address4),
  "ip address add fd00:1::1/128 dev cn0 nodad": addAddress(address6),
  "ip address del 10.0.1.1/32 dev cn0": removeAddress(address4),
  "ip route add 10.0.0.0/16 src 10.0.1.1 dev cn0 proto 78": addRoute(
    ROUTES.four,
    { index: INDEX, replace: false },
  ),
  "ip route replace 10.0.0.0/16 src 10.0.1.1 dev cn0 proto 78": addRoute(
    ROUTES.four,
    { index: INDEX, replace: true },
  ),
  "ip route add unreachable 10.0.0.0/16 metric 4294967295 proto 78": addRoute(
    ROUTES.worst4,
    { index: undefined, replace: false },
  ),
  "ip -6 route add unreachable fd00::/16 metric 4294967295 proto 78": addRoute(
    ROUTES.worst6,
    { index: undefined, replace: false },
  ),
  "ip -6 route del unreachable fd00::/16 metric 4294967295 proto 78":
    removeRoute(ROUTES.worst6, { index: undefined }),
};

for (const [command, request] of Object.entries(SAME)) {
  Deno.test(`the same bytes as: ${command}`, () => {
    const expected = sentBy(command);
    assert.deepEqual(messageOf(request, expected.sequence), expected);
  });
}

Deno.test("an IPv6 route is the same as ip's, but for the order of attributes", () => {
  const expected = sentBy(
    "ip route add fd00::/16 src fd00:1::1 dev cn0 metric 1024 proto 78",
  );
  const request = addRoute(ROUTES.six, { index: INDEX, replace: false });
  const ours = messageOf(request, expected.sequence);
  assert.deepEqual({ ...ours, payload: null }, { ...expected, payload: null });
  assert.deepEqual(
    ours.payload.subarray(0, 12),
    expected.payload.subarray(0, 12),
  );
  assert.deepEqual(
    attributesOf(ours.payload.subarray(12)),
    attributesOf(expected.payload.subarray(12)),
  );
});

Deno.test("removal of a route is the same as ip's, but names the type and the source", () => {
  const expected = sentBy("ip route del 10.0.0.0/16 dev cn0 proto 78");
  const plain = { ...ROUTES.four, source: undefined };
  const ours = messageOf(
    removeRoute(plain, { index: INDEX }),
    expected.sequence,
  );
  assert.equal(expected.payload[7], 0); // RTN_UNSPEC
  const payload = expected.payload.slice();
  payload[7] = 1; // RTN_UNICAST
  assert.deepEqual(ours, { ...expected, payload });
});

Deno.test("links are changed with ip's attributes, and named instead of numbered", () => {
  const rows: readonly [string, Request][] = [
    ["ip link set cn0 alias clusternet", setLinkAlias("cn0", "clusternet")],
    ["ip link set cn0 mtu 1420", setLinkMtu("cn0", 1420)],
    ["ip link set cn0 up", setLinkUp("cn0")],
    ["ip link del cn0", deleteLink("cn0")],
  ];
  for (const [command, request] of rows) {
    const expected = sentBy(command);
    const ours = messageOf(request, expected.sequence);
    assert.equal(ours.type, expected.type);
    assert.equal(ours.flags, expected.flags);
    const named = attributesOf(ours.payload.subarray(IFINFOMSG_BYTES));
    assert.equal(named.get(IFLA_IFNAME), "636e3000"); // "cn0"
    named.delete(IFLA_IFNAME);
    assert.deepEqual(
      named,
      attributesOf(expected.payload.subarray(IFINFOMSG_BYTES)),
      command,
    );
    // flags and change
    assert.deepEqual(
      ours.payload.subarray(8, 16),
      expected.payload.subarray(8, 16),
    );
    assert.deepEqual(ours.payload.subarray(0, 8), new Uint8Array(8));
  }
});

Deno.test("a link is made with ip's bytes, plus NLA_F_NESTED", () => {
  const expected = sentBy("ip link add clusternet type wireguard");
  const request = createLink("clusternet", "wireguard");
  const ours = messageOf(request, expected.sequence);
  const view = new DataView(ours.payload.slice().buffer);
  for (let at = 0; at < view.byteLength; at += 2) {
    if (view.getUint16(at, true) === (IFLA_LINKINFO | NLA_F_NESTED)) {
      view.setUint16(at, IFLA_LINKINFO, true);
    }
  }
  const payload = new Uint8Array(view.buffer);
  assert.deepEqual({ ...ours, payload }, expected);
});

Deno.test("decodeLink() reads the kernel's link", () => {
  const [message] = receivedBy("ip link show cn0");
  assert.deepEqual(decodeLink(message?.payload ?? Uint8Array.of()), {
    index: INDEX,
    name: "cn0",
    kind: "veth",
    alias: "clusternet",
    mtu: 1420,
    up: true,
  });
});

Deno.test("decodeAddress() reads the kernel's addresses", () => {
  const all = receivedBy("ip address show dev cn0").map(({ payload }) =>
    decodeAddress(payload)
  );
  for (const expected of [address4, address6]) {
    const found = all.find((it) => it?.address === expected.address);
    assert.deepEqual(found, { ...expected, scope: 0 });
  }
});

Deno.test("decodeRoute() reads the kernel's routes", () => {
  const decoded = ["ip -4 route show table all", "ip -6 route show table main"]
    .flatMap(receivedBy).flatMap(({ payload }) => decodeRoute(payload) ?? []);
  for (const expected of Object.values(ROUTES)) {
    const { device, ...rest } = expected;
    const hops = device === undefined
      ? []
      : [{ index: INDEX, gateway: undefined }];
    const found = decoded.find((it) =>
      it.destination === expected.destination && it.metric === expected.metric
    );
    assert.deepEqual(found, { ...rest, hops, table: 254, cloned: false });
  }
});

Deno.test("decodeRoute() reads the hops of a multipath default route", () => {
  const routes = receivedBy("ip -4 route show table all").map(({ payload }) =>
    decodeRoute(payload)
  );
  const found = routes.find((it) =>
    it?.destination === "0.0.0.0/0" && it.table === 254
  );
  assert.deepEqual(found?.hops, [
    { index: 2, gateway: "192.0.2.1" },
    { index: 2, gateway: "192.0.2.2" },
  ]);
});

Deno.test("decodePolicyRule() reads the kernel's rules that lead to a table, as ip prints them", () => {
  const decoded = ["ip rule show", "ip -6 rule show"].flatMap(receivedBy)
    .filter(({ type }) => type === RTM_NEWRULE)
    .flatMap(({ payload }) => decodePolicyRule(payload) ?? []);
  assert.deepEqual(
    decoded.map(({ family, table, text }) => [family, table, text]),
    [
      [4, "local", "0:\tfrom all lookup local"],
      [
        4,
        "100",
        "100:\tfrom 192.0.2.10 to 198.51.100.0/24 lookup 100",
      ],
      [4, "51820", "101:\tnot from all fwmark 0x14/0xff lookup 51820"],
      [
        4,
        "main",
        "102:\tfrom all iif lo oif cn0 lookup main suppress_prefixlength 0",
      ],
      [4, "[l3mdev-table]", "104:\tfrom all lookup [l3mdev-table]"],
      [4, "main", "32766:\tfrom all lookup main"],
      [4, "default", "32767:\tfrom all lookup default"],
      [6, "local", "0:\tfrom all lookup local"],
      [6, "1000", "105:\tfrom all to fd00::/16 lookup 1000"],
      [6, "main", "32766:\tfrom all lookup main"],
    ],
  );
  for (const { priority, text } of decoded) {
    assert.ok(text.startsWith(`${priority}:`), text);
  }
});

Deno.test("decodeAnyRule() reads those too that lead to no table", () => {
  const decoded = ["ip rule show", "ip -6 rule show"].flatMap(receivedBy)
    .filter(({ type }) => type === RTM_NEWRULE)
    .flatMap(({ payload }) => decodeAnyRule(payload) ?? []);
  const others = decoded.filter(({ text }) => !text.includes("lookup"));
  assert.deepEqual(others.map(({ text }) => text), ["103:\tfrom all prohibit"]);
  assert.equal(decoded.length, 10 + others.length);
});

Deno.test("decodeRouteMarks() reads type and scope as ip prints them", () => {
  const marks = ["ip -4 route show table all", "ip -6 route show table main"]
    .flatMap(receivedBy).map(({ payload }) => decodeRouteMarks(payload));
  assert.deepEqual(
    marks.map((it) => it && [it.family, it.type, it.scope, ...it.marks].join()),
    [
      ...["4,unicast,0", "4,unicast,253", "4,unreachable,0", "4,unicast,253"],
      ...["4,local,254", "4,local,254", "4,broadcast,253"],
      ...["6,unicast,0", "6,unicast,0", "6,unreachable,0"],
      ...["6,unicast,0", "6,unicast,0"],
    ],
  );
});

Deno.test("decodeAddressMarks() reads what ip prints behind an address", () => {
  const marks = receivedBy("ip address show dev cn0").map(({ payload }) =>
    decodeAddressMarks(payload)
  );
  assert.deepEqual(marks, [[], ["nodad"], ["tentative"]]);
});

Deno.test("decodeNetconf() reads forwarding of both families", () => {
  const all = receivedBy("ip netconf show").map(({ payload }) =>
    decodeNetconf(payload)
  );
  for (const family of [4, 6]) {
    assert(all.some((it) => it?.family === family && it.index === -1));
    assert(all.some((it) => it?.family === family && it.index === INDEX));
  }
  assert(all.every((it) => it === undefined || it.forwarding === false));
});

Deno.test("decodeAck() reads success, errors whole and capped, and the kernel's words", () => {
  const [good] = receivedBy(
    "ip route add 10.0.0.0/16 src 10.0.1.1 dev cn0 proto 78",
  );
  const [exists] = receivedBy("ip route add 10.0.0.0/16 dev cn0 proto 78");
  const refused = receivedBy("ip link set cn0 mtu 20").at(-1);
  assert(good && exists && refused);
  assert.deepEqual(decodeAck(good), { errno: 0, text: undefined });
  assert.deepEqual(decodeAck(exists), { errno: 17, text: undefined });
  assert.deepEqual(decodeAck(refused), {
    errno: 22,
    text: "mtu less than device minimum",
  });
});

/** Type → payload in hex. */
function attributesOf(bytes: Uint8Array): Map<number, string> {
  const attributes = new Attributes(bytes);
  return new Map(
    attributes.types.map((type) => [
      type,
      Array.from(
        attributes.bytes(type) ?? [],
        (byte) => byte.toString(16).padStart(2, "0"),
      ).join(""),
    ]),
  );
}

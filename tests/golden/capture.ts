/**
 * Capture what `ip` and `wg` say to the kernel, and what it answers, as golden
 * bytes for the codecs' tests: they are never made by our own encoder.
 *
 *     deno task golden             tests/golden/rtnetlink.txt, in a namespace here
 *     deno task golden nftables    tests/golden/nftables.txt, the same with nft
 *     deno task golden wireguard   tests/golden/wireguard.txt, in the guest
 *     deno task golden nodes       tests/golden/protobuf/recorded.jsonl, of a real
 *                                  API server (deno task test:kube builds it)
 *
 * In the file a line `$ …` is the command, `> …` a message to the kernel, `< …`
 * a datagram from it; more rows of the same are indented. Keys are throw-away.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { inOwnPlace } from "../kube/own_place.ts";

interface Capture {
  readonly command: string;
  /** Message types to keep, of those that are sent and received. Default: all that change something. */
  readonly sent: readonly number[];
  readonly received?: readonly number[];
  /** Run beforehand, not captured. */
  readonly before?: readonly string[];
}

/** include/uapi/linux/rtnetlink.h: NEWLINK DELLINK NEWADDR DELADDR NEWROUTE DELROUTE */
const CHANGES = [16, 17, 20, 21, 24, 25];

const PAIR = [
  "ip link add cn0 type veth peer cn1",
  "ip link set cn1 up",
];

const RTNETLINK: readonly Capture[] = [
  { command: "ip link add clusternet type wireguard", sent: CHANGES },
  { before: PAIR, command: "ip link set cn0 alias clusternet", sent: CHANGES },
  { command: "ip link set cn0 mtu 1420", sent: CHANGES },
  { command: "ip link set cn0 up", sent: CHANGES },
  { command: "ip link show cn0", sent: [], received: [16] },
  { command: "ip address add 10.0.1.1/32 dev cn0", sent: CHANGES },
  { command: "ip address add fd00:1::1/128 dev cn0 nodad", sent: CHANGES },
  { command: "ip address show dev cn0", sent: [], received: [20] },
  {
    command: "ip route add 10.0.0.0/16 src 10.0.1.1 dev cn0 proto 78",
    sent: CHANGES,
    received: [2],
  },
  {
    command: "ip route add 10.0.0.0/16 dev cn0 proto 78",
    sent: [],
    received: [2],
  },
  {
    command: "ip route replace 10.0.0.0/16 src 10.0.1.1 dev cn0 proto 78",
    sent: CHANGES,
  },
  {
    command: "ip route add unreachable 10.0.0.0/16 metric 4294967295 proto 78",
    sent: CHANGES,
  },
  {
    command:
      "ip route add fd00::/16 src fd00:1::1 dev cn0 metric 1024 proto 78",
    sent: CHANGES,
  },
  {
    command: "ip -6 route add unreachable fd00::/16 metric 4294967295 proto 78",
    sent: CHANGES,
  },
  {
    before: [
      "ip address add 192.0.2.10/24 dev cn1",
      "ip route add default nexthop via 192.0.2.1 nexthop via 192.0.2.2",
    ],
    command: "ip -4 route show table all",
    sent: [],
    received: [24],
  },
  { command: "ip -6 route show table main", sent: [], received: [24] },
  {
    command: "ip route del 10.0.0.0/16 dev cn0 proto 78",
    sent: CHANGES,
  },
  {
    command: "ip -6 route del unreachable fd00::/16 metric 4294967295 proto 78",
    sent: CHANGES,
  },
  { command: "ip address del 10.0.1.1/32 dev cn0", sent: CHANGES },
  {
    before: [
      "ip rule add priority 100 from 192.0.2.10 to 198.51.100.0/24 table 100",
      "ip rule add priority 101 not fwmark 0x14/0xff table 51820",
      "ip rule add priority 102 iif lo oif cn0 table main suppress_prefixlength 0",
      "ip rule add priority 103 prohibit",
      "ip rule add priority 104 l3mdev",
      "ip -6 rule add priority 105 to fd00::/16 table 1000",
    ],
    command: "ip rule show",
    sent: [],
    received: [32],
  },
  { command: "ip -6 rule show", sent: [], received: [32] },
  { command: "ip netconf show", sent: [], received: [80] },
  { command: "ip link set cn0 mtu 20", sent: [], received: [2] },
  { command: "ip link del cn0", sent: CHANGES },
];

/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_…; NFNL_MSG_BATCH_BEGIN */
const [NEWTABLE, GETTABLE, NEWCHAIN] = [0xa00, 0xa01, 0xa03];
const [NEWRULE, GETRULE, BATCH_BEGIN] = [0xa06, 0xa07, 16];

const NFTABLES: readonly Capture[] = [
  {
    before: ["nft add table inet clusternet", "nft add table ip other"],
    command: "nft list tables",
    sent: [GETTABLE],
    received: [NEWTABLE],
  },
  { command: "nft delete table inet clusternet", sent: [BATCH_BEGIN] },
  ...["dual_stack", "odd_lengths"].map((name) => ({
    command: `nft -f tests/golden/nftables_${name}.nft`,
    sent: [BATCH_BEGIN],
  })),
  {
    before: [
      "nft add chain inet clusternet foreign",
      "nft add rule inet clusternet foreign tcp dport 80 counter accept",
      "nft insert rule inet clusternet guard meta mark 1 return",
    ],
    command: "nft list table inet clusternet",
    sent: [GETRULE],
    received: [NEWTABLE, NEWCHAIN, NEWRULE],
  },
];

/** base64 of 32 times the letter. */
const KEY = (letter: string): string => btoa(letter.repeat(32));

const WIREGUARD: readonly Capture[] = [
  {
    before: [
      "ip link add wg0 type wireguard",
      `sh -c echo\t${KEY("P")}\t>/tmp/private`,
      `sh -c echo\t${KEY("S")}\t>/tmp/preshared`,
      `sh -c echo\t${btoa("\0".repeat(32))}\t>/tmp/nothing`,
    ],
    command: "wg set wg0 private-key /tmp/private",
    sent: [],
    received: [],
  },
  { command: "wg set wg0 listen-port 7838", sent: [] },
  {
    command: `wg set wg0 peer ${KEY("a")} endpoint 192.0.2.1:7838 ` +
      "persistent-keepalive 25 allowed-ips 10.0.1.0/24,fd00:0:0:1::/64",
    sent: [],
  },
  {
    command: `wg set wg0 peer ${KEY("b")} endpoint [2001:db8::2]:7838 ` +
      "preshared-key /tmp/preshared",
    sent: [],
  },
  {
    command: `wg set wg0 peer ${KEY("c")} preshared-key /tmp/nothing`,
    sent: [],
  },
  { command: "wg show wg0 dump", sent: [], received: [] },
  {
    command: `wg set wg0 peer ${KEY("a")} remove peer ${KEY("b")} ` +
      "allowed-ips 10.0.2.0/24",
    sent: [],
  },
];

interface Row {
  readonly direction: ">" | "<";
  readonly bytes: Uint8Array;
}

async function run(command: readonly string[]): Promise<void> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, { args, stdout: "null" });
  const { success, stderr } = await child.output();
  if (success) return;
  console.error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** The bytes of every netlink message, from strace's rows of hex. */
async function trace(command: string): Promise<readonly Row[]> {
  const file = await Deno.makeTempFile();
  const what = "-etrace=sendto,sendmsg,recvfrom,recvmsg";
  const flags = [
    "-f",
    "-o",
    file,
    "-s65536",
    what,
    "-eread=all",
    "-ewrite=all",
  ];
  await run(["strace", ...flags, ...command.split(" ")]);
  const rows: { direction: ">" | "<"; hex: string }[] = [];
  for (const line of (await Deno.readTextFile(file)).split("\n")) {
    const call = /^(?:\d+ +)?(send|recv)\w*\(/.exec(line);
    if (call !== null) {
      rows.push({ direction: call[1] === "send" ? ">" : "<", hex: "" });
    }
    const hex = /^ \| [0-9a-f]{5} {2}((?:[0-9a-f]{2} {1,2})+)/.exec(line);
    const last = rows.at(-1);
    if (hex !== null && last !== undefined) {
      last.hex += hex[1]?.replaceAll(" ", "") ?? "";
    }
  }
  await Deno.remove(file);
  return rows.filter(({ hex }) => hex !== "").map(({ direction, hex }) => ({
    direction,
    bytes: Uint8Array.from(
      hex.match(/../g) ?? [],
      (pair) => parseInt(pair, 16),
    ),
  }));
}

function rowText({ direction, bytes }: Row): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const lines = hex.join("").match(/.{1,64}/g) ?? [];
  return `${direction} ${lines.join("\n  ")}`;
}

async function capture(
  captures: readonly Capture[],
  tools: string,
): Promise<string> {
  const text = [`# tests/golden/capture.ts, ${tools}`];
  for (const { before = [], command, sent, received } of captures) {
    for (const line of before) await run(line.split(" ").map(untab));
    const rows = (await trace(command)).filter(({ direction, bytes }) => {
      const type = (bytes[4] ?? 0) | (bytes[5] ?? 0) << 8;
      const wanted = direction === ">" ? sent : received;
      // Of generic netlink: all but the search for the family and for links.
      return wanted?.length === 0 && captures === WIREGUARD
        ? type >= 0x1b
        : wanted?.includes(type) ?? false;
    });
    text.push("", `$ ${command}`, ...rows.map(rowText));
  }
  return `${text.join("\n")}\n`;
}

function untab(word: string): string {
  return word.replaceAll("\t", " ");
}

async function main(set: string | undefined): Promise<void> {
  if (set === "rtnetlink-here") {
    return console.log(await capture(RTNETLINK, "iproute2"));
  }
  if (set === "nftables-here") {
    return console.log(await capture(NFTABLES, "nftables"));
  }
  if (set === "wireguard-here") {
    await Deno.writeTextFile(
      "/out/wireguard.txt",
      await capture(WIREGUARD, "wireguard-tools"),
    );
    return;
  }
  const deno = [Deno.execPath(), "run", "-A", "--no-check"];
  const self = fileURLToPath(import.meta.url);
  const here = fileURLToPath(new URL(".", import.meta.url));
  if (set === "wireguard") {
    const vm = fileURLToPath(new URL("../vm/main.ts", import.meta.url));
    const inGuest = ["deno", "run", "-A", "--no-check", self, `${set}-here`];
    await run([...deno, vm, "--", "--out", here, ...inGuest]);
    return;
  }
  if (set === "nodes") {
    const self = fileURLToPath(
      new URL("../kube/record_nodes.ts", import.meta.url),
    );
    const { signal } = new AbortController();
    const out = `${here}/protobuf/recorded.jsonl`;
    Deno.exitCode = await inOwnPlace(() => [...deno, self, out], { signal });
    return;
  }
  const file = set ?? "rtnetlink";
  const { stdout } = await new Deno.Command("unshare", {
    args: ["--net", ...deno, self, `${file}-here`],
  }).output();
  await Deno.writeFile(`${here}/${file}.txt`, stdout);
}

if (import.meta.main) await main(Deno.args[0]);

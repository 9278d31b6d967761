/**
 * The shim on the other machine: cross-compiled, and its rtnetlink carried by
 * qemu-user to the kernel of this one. The same driver runs natively, too.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parseAddress } from "../../mod/core/address.ts";
import {
  addAddress,
  decodeAddress,
  dumpAddresses,
  RTM_NEWADDR,
} from "../../mod/wire/ifaddr.ts";
import { decodeLink, dumpLinks, RTM_NEWLINK } from "../../mod/wire/link.ts";
import {
  decodeAck,
  decodeMessages,
  encodeRequest,
  NLMSG_ERROR,
} from "../../mod/wire/netlink.ts";
import { skipped } from "../support/skip.ts";

const DRIVER = fileURLToPath(new URL("shim_driver.c", import.meta.url));
const ADDRESS = parseAddress("10.0.1.1");

/** The index of `lo` in every namespace. */
const LOOPBACK = 1;

const MACHINES: readonly {
  readonly name: string;
  readonly compiler: string;
  readonly runner: readonly string[];
}[] = [
  { name: "this machine", compiler: "cc", runner: [] },
  {
    name: "aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    runner: ["qemu-aarch64"],
  },
];

for (const { name, compiler, runner } of MACHINES) {
  const claim = `the shim speaks to the kernel on ${name}`;
  Deno.test({
    name: claim,
    ignore: skipped(claim, {
      root: true,
      commands: [compiler, "unshare", ...runner],
    }),
    fn: async () => {
      const directory = await Deno.makeTempDir({ prefix: "clusternet-" });
      try {
        const program = `${directory}/driver`;
        await run([compiler, ...COMPILE, "-o", program, DRIVER]);
        await roundTrip(["unshare", "--net", ...runner, program]);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

const COMPILE = [
  "-std=c11",
  "-O2",
  "-Wall",
  "-Werror",
  "-ffreestanding",
  "-nostdlib",
  "-static",
  "-fno-stack-protector",
];

async function roundTrip(command: readonly string[]): Promise<void> {
  const own = { index: LOOPBACK, address: ADDRESS, bits: 32 };
  const requests = [
    addAddress(own),
    addAddress(own),
    dumpAddresses(),
    dumpLinks(),
  ].map(encodeRequest);
  const output = await run(
    command,
    new Uint8Array(requests.flatMap((bytes) => [...bytes])),
  );
  const messages = decodeMessages(output);
  const acks = messages.filter(({ type }) => type === NLMSG_ERROR);
  assert.deepEqual(acks.map((it) => decodeAck(it).errno), [0, 17]);
  const addresses = messages.filter(({ type }) => type === RTM_NEWADDR)
    .map(({ payload }) => decodeAddress(payload));
  assert.deepEqual(addresses, [{ ...own, scope: 0 }]);
  const links = messages.filter(({ type }) => type === RTM_NEWLINK)
    .map(({ payload }) => decodeLink(payload).name);
  assert(links.includes("lo"), links.join(" "));
}

async function run(
  [program = "", ...args]: readonly string[],
  input = new Uint8Array(),
): Promise<Uint8Array> {
  const command = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input);
  await writer.close();
  const { code, stdout } = await child.output();
  assert.equal(code, 0, `${program}: line ${code} of shim_driver.c`);
  return stdout;
}

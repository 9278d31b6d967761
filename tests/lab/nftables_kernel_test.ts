/**
 * The kernel's nf_tables in a namespace: what we send, what nft(8) lists, what
 * is left when we are killed, and what is told of changes.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  replacementCommand,
  replacementText,
  tableText,
} from "../../mod/core/nft_text.ts";
import type { Table } from "../../mod/core/nftables.ts";
import { watchKernel } from "../../mod/sys/events.ts";
import { Nftables } from "../../mod/sys/nftables.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { eventText } from "../../mod/wire/event.ts";
import { tableContract } from "../contract/tables.ts";
import { eventually } from "../support/eventually.ts";
import { skipped } from "../support/skip.ts";
import { runStruck } from "../support/strike.ts";
import { DUAL_STACK, ODD_LENGTHS, testTable } from "../support/tables.ts";
import { run, SHELL } from "./exec.ts";
import { inNamespace } from "./in_namespace.ts";

const shim = await loadShim();

/** @throws {Error} with what it says */
async function sh(script: string, input = ""): Promise<string> {
  const { code, stdout, stderr } = await run([SHELL, "-euc", script], {
    input,
  });
  if (code !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}

/** Those with which the shim speaks to the kernel; it waits on other threads. */
const SOCKET_CALLS = [
  ...["socket", "bind", "getsockname", "setsockopt", "connect"],
  ...["sendto", "sendmsg", "recvfrom", "recvmsg"],
];

async function makeLab(): Promise<
  AsyncDisposable & { readonly port: Nftables }
> {
  await sh("nft flush ruleset");
  return {
    port: new Nftables(shim),
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await sh("nft flush ruleset");
    },
  };
}

/** What `nft -j` lists, without the numbers that the kernel gives. */
async function listing(): Promise<string> {
  return (await sh("nft -j list ruleset"))
    .replaceAll(/"handle": \d+,? ?/g, "");
}

function register(): void {
  tableContract("nf_tables", makeLab);

  for (const [name, table] of Object.entries({ DUAL_STACK, ODD_LENGTHS })) {
    Deno.test(`nft lists the same of our batch as of our text: ${name}`, async () => {
      await using lab = await makeLab();
      await lab.port.replace(table);
      const ours = await listing();
      assert.equal(await sh("nft list ruleset"), tableText(table));
      await sh("nft flush ruleset");
      await sh("nft -f -", replacementText(table));
      assert.equal(await listing(), ours);
      assert.deepEqual(await lab.port.read(table.name), table);
      await sh("nft flush ruleset");
      await sh(replacementCommand(table));
      assert.equal(await listing(), ours);
    });
  }

  const EDITS = [
    "nft flush ruleset",
    "nft delete table inet clusternet",
    "nft flush chain inet clusternet guard",
    "nft delete rule inet clusternet guard handle $(nft -a list chain inet clusternet guard | sed -n '/daddr/{s/.*handle //p;q}')",
    "nft insert rule inet clusternet guard accept",
    "nft add rule inet clusternet antispoof meta mark 7 accept",
    "nft replace rule inet clusternet forwarded handle $(nft -a list chain inet clusternet forwarded | sed -n 's/.*drop.*handle //p') oifname clusternet fib saddr type local accept",
    "nft replace rule inet clusternet forwarded handle $(nft -a list chain inet clusternet forwarded | sed -n 's/.*drop.*handle //p') oifname 'cluster*' fib saddr type local drop",
    "nft add chain inet clusternet guard '{ policy drop; }'",
    "nft add chain inet clusternet mine",
    "nft add table inet clusternet '{ flags dormant; }'",
  ];
  for (const edit of EDITS) {
    Deno.test(`read() sees, and replace() undoes: ${edit}`, async () => {
      await using lab = await makeLab();
      const table = testTable("10.0.0.0/16", "10.0.1.0/24");
      await lab.port.replace(table);
      assert.deepEqual(await lab.port.read(table.name), table);
      await sh(edit);
      const seen = await lab.port.read(table.name);
      assert.notDeepEqual(seen, table);
      await lab.port.replace(table);
      assert.deepEqual(await lab.port.read(table.name), table);
    });
  }

  Deno.test("read() of what has not changed asks for no rule again", async () => {
    await using lab = await makeLab();
    await lab.port.replace(DUAL_STACK);
    const first = await lab.port.read(DUAL_STACK.name);
    assert.equal(await lab.port.read(DUAL_STACK.name), first);
    await sh("nft add table inet other");
    const second = await lab.port.read(DUAL_STACK.name);
    assert.notEqual(second, first);
    assert.deepEqual(second, first);
  });

  Deno.test("replace() that the kernel refuses changes nothing", async () => {
    await using lab = await makeLab();
    await lab.port.replace(DUAL_STACK);
    const [chain] = DUAL_STACK.chains;
    assert.ok(chain !== undefined);
    const bad: Table = {
      ...DUAL_STACK,
      chains: [{ ...chain, type: "no-such-type" }],
    };
    await assert.rejects(lab.port.replace(bad), {
      name: "KernelError",
      message:
        /^Cannot replace table inet clusternet: No such file or directory/,
    });
    assert.deepEqual(await lab.port.read(DUAL_STACK.name), DUAL_STACK);
  });

  Deno.test({
    name: "forwardDrops() finds iptables' policy, and what its rules accept",
    ignore: skipped("forwardDrops()", {
      commands: ["iptables-nft", "ip6tables-nft"],
    }),
    fn: async () => {
      await using lab = await makeLab();
      assert.deepEqual(await lab.port.forwardDrops(), []);
      await sh("iptables-nft -I FORWARD -j ACCEPT");
      assert.deepEqual(await lab.port.forwardDrops(), []);
      await sh(`
iptables-nft -P FORWARD DROP
iptables-nft -F FORWARD
iptables-nft -A FORWARD -s 10.0.1.0/24 -j ACCEPT
iptables-nft -A FORWARD -p tcp -j ACCEPT
iptables-nft -A FORWARD -d 10.0.0.0/15 -j ACCEPT
iptables-nft -A FORWARD -d 10.0.0.0/15 -j DROP
ip6tables-nft -P FORWARD DROP
ip6tables-nft -A FORWARD -j ACCEPT`);
      const address = { kind: "address", inside: true } as const;
      assert.deepEqual(await lab.port.forwardDrops(), [
        {
          family: 4,
          accepts: [
            [{ ...address, side: "saddr", prefix: "10.0.1.0/24" }],
            [{ ...address, side: "daddr", prefix: "10.0.0.0/15" }],
          ],
        },
        { family: 6, accepts: [[]] },
      ]);
    },
  });

  Deno.test("watchKernel() rings for our tables, and once more when events were lost", async () => {
    await using lab = await makeLab();
    const stop = new AbortController();
    const rings: string[] = [];
    const started = Promise.withResolvers<void>();
    const watching = watchKernel(shim, {
      watched: "tables",
      signal: stop.signal,
      ready: () => started.resolve(),
      ring: (event) => rings.push(eventText(event)),
    });
    await started.promise;
    const name = "nftables' table inet clusternet";
    await sh("nft add table ip other");
    await lab.port.replace(DUAL_STACK);
    await eventually(() => rings.includes(name));
    rings.length = 0;
    await sh("nft flush ruleset");
    await eventually(() => rings.includes(name));
    stop.abort();
    await watching;
  });

  Deno.test({
    name:
      "SIGKILL before each system call leaves the whole old table, or the whole new one",
    ignore: skipped("killed while the table is replaced", {
      commands: ["strace"],
    }),
    fn: async (t) => {
      const main = new URL("nftables_main.ts", import.meta.url).pathname;
      const program = { command: [main], paths: [], names: SOCKET_CALLS };
      await using lab = await makeLab();
      const { calls } = await runStruck(program);
      assert.deepEqual(await lab.port.read(DUAL_STACK.name), DUAL_STACK);
      const sends = calls.filter(({ name }) => name.startsWith("send"));
      assert.equal(sends.length, 1, "one datagram");
      const old = testTable("10.0.0.0/8", "10.9.0.0/24");
      for (const call of calls) {
        await t.step(`${call.name} ${call.count}`, async () => {
          await lab.port.replace(old);
          const { signal } = await runStruck(program, call);
          assert.equal(signal, "SIGKILL");
          const found = await lab.port.read(old.name);
          const whole = [old, DUAL_STACK].map((it) => JSON.stringify(it));
          assert.ok(whole.includes(JSON.stringify(found)));
        });
      }
    },
  });
}

if (!skipped("nftables_kernel_test.ts", { commands: ["nft"] })) {
  inNamespace(import.meta.url, register);
}

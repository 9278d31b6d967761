import assert from "node:assert/strict";
import { parseArguments } from "../../mod/core/arguments.ts";
import { FatalError } from "../../mod/core/errors.ts";
import {
  replacementCommand,
  replacementText,
  sameTable,
  tableText,
} from "../../mod/core/nft_text.ts";
import type { Chain, Table } from "../../mod/core/nftables.ts";
import { assertGolden } from "../support/golden.ts";
import { DUAL_STACK, ODD_LENGTHS, testTable } from "../support/tables.ts";

/** Text of the rules of a chain, without comments. */
function rules(table: Table, name: string): readonly string[] {
  const chain = table.chains.find((one) => one.name === name);
  assert.ok(chain !== undefined);
  const text = tableText({ ...table, chains: [chain] });
  return text.split("\n").slice(3, -3)
    .map((line) => line.trim().replace(/ comment "[^"]*"$/, ""));
}

Deno.test("desiredTable() of a dual-stack node is the golden", () => {
  assertGolden("nftables_dual_stack.nft", replacementText(DUAL_STACK));
});

Deno.test("desiredTable() of prefixes of odd lengths is the golden", () => {
  assertGolden("nftables_odd_lengths.nft", replacementText(ODD_LENGTHS));
});

Deno.test("desiredTable() without masquerading lets pods' sources out, but nothing else", () => {
  const table = testTable("10.0.0.0/16", "10.0.1.0/24", { masquerade: false });
  assert.deepEqual(rules(table, "masquerade_pods"), [
    'ip saddr != 10.0.1.0/24 oifname "clusternet" fib saddr type local masquerade fully-random',
  ]);
  assert.deepEqual(rules(table, "guard"), [
    'ip daddr 10.0.0.0/16 ip daddr != 10.0.1.0/24 oifname != "clusternet" drop',
  ]);
  const with_ = testTable("10.0.0.0/16", "10.0.1.0/24");
  for (const name of ["antispoof", "forwarded"]) {
    assert.deepEqual(rules(table, name), rules(with_, name));
  }
});

Deno.test("desiredTable() guards a family of the cluster of which the node has no podCIDR", () => {
  const table = testTable("10.0.0.0/16,fd00:10::/48", "10.0.1.0/24");
  assert.deepEqual(
    rules(table, "guard").filter((rule) => rule.startsWith("ip6")),
    ['ip6 daddr fd00:10::/48 oifname != "clusternet" drop'],
  );
  assert.equal(
    rules(table, "masquerade_pods").some((rule) => rule.includes("ip6")),
    false,
  );
});

Deno.test("desiredTable() accepts nothing: another table's drop stays in force", () => {
  for (const table of [DUAL_STACK, ODD_LENGTHS]) {
    for (const { policy, rules } of table.chains) {
      assert.equal(policy, "accept"); // a chain's end, after which the others have their say
      for (const { verdict } of rules) {
        assert.ok(["drop", "masquerade"].includes(verdict));
      }
    }
  }
});

Deno.test("sameTable() sees whatever somebody may have changed", () => {
  const [first, second, third, guard] = DUAL_STACK.chains;
  assert.ok(first && second && third && guard);
  const [rule] = guard.rules;
  assert.ok(rule !== undefined);
  const withGuard = (change: Partial<Chain>): Table => ({
    ...DUAL_STACK,
    chains: [first, second, third, { ...guard, ...change }],
  });
  const extra: Chain = {
    name: "mine",
    type: "",
    hook: "",
    priority: 0,
    policy: "accept",
    rules: [],
  };
  const rows: Readonly<Record<string, Table | null>> = {
    "no table": null,
    "switched off": { ...DUAL_STACK, dormant: true },
    "a chain less": { ...DUAL_STACK, chains: [first, second, third] },
    "a chain more": {
      ...DUAL_STACK,
      chains: [...DUAL_STACK.chains, extra],
    },
    "another priority": withGuard({ priority: 0 }),
    "another policy": withGuard({ policy: "drop" }),
    "another hook": withGuard({ hook: "output" }),
    "a rule less": withGuard({ rules: guard.rules.slice(1) }),
    "a rule twice": withGuard({ rules: [rule, ...guard.rules] }),
    "another order": withGuard({ rules: guard.rules.toReversed() }),
    "a rule of somebody else's": withGuard({
      rules: [{ ...rule, matches: [], verdict: "other" }, ...guard.rules],
    }),
    "a match less": withGuard({
      rules: [
        { ...rule, matches: rule.matches.slice(1) },
        ...guard.rules.slice(1),
      ],
    }),
  };
  for (const [what, table] of Object.entries(rows)) {
    assert.equal(sameTable(DUAL_STACK, table), false, what);
  }
  assert.ok(sameTable(DUAL_STACK, structuredClone(DUAL_STACK)));
  assert.ok(sameTable(null, null));
});

Deno.test("replacementCommand() is one line for a shell", () => {
  const command = replacementCommand(testTable("10.0.0.0/16", "10.0.1.0/24"));
  assert.match(
    command,
    /^nft 'add table inet clusternet; delete table inet clusternet; table inet clusternet \{ chain antispoof \{ type /,
  );
  assert.equal(command.split("'").length, 3);
  assert.equal(command.includes("\n"), false);
});

Deno.test("--masquerade is true unless told otherwise, by flag, variable or file", () => {
  const masquerade = (
    args: readonly string[],
    env = {},
    content: unknown = {},
  ): boolean =>
    parseArguments(args, env, {
      hostName: "n1",
      file: { path: "/etc/clusternet.yaml", content },
    }).config.masquerade;
  assert.equal(masquerade([]), true);
  assert.equal(masquerade(["--masquerade=false"]), false);
  assert.equal(masquerade(["--masquerade"]), true);
  assert.equal(masquerade([], { CLUSTERNET_MASQUERADE: "false" }), false);
  assert.equal(masquerade([], {}, { masquerade: false }), false);
  assert.throws(() => masquerade(["--masquerade=maybe"]), FatalError);
});

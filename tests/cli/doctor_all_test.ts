import assert from "node:assert/strict";
import { askForDiagnosis } from "../../mod/cli/ask_diagnosis.ts";
import {
  allHelp,
  parseAll,
  wantsAll,
} from "../../mod/cli/doctor_all_options.ts";
import { chosenChecks } from "../../mod/cli/doctor_checks.ts";
import { isOfCluster } from "../../mod/cli/doctor_cluster.ts";
import { ALL_CHECKS, CHECKS } from "../../mod/doctor/checks.ts";
import type { ProgramOutput } from "../../mod/sys/kube_pods.ts";
import { NODE, POD } from "../support/agent_pods.ts";

const NO_VARIABLES = (): undefined => undefined;

function refuses(deed: () => unknown, sentence: RegExp): void {
  assert.throws(
    deed,
    (error: Error & { readonly exitCode?: number }) =>
      sentence.test(error.message) && error.exitCode === 2,
    String(sentence),
  );
}

Deno.test("parseAll() takes all checks, or those of --only in the order in which to act", () => {
  const all = parseAll(["--all"], NO_VARIABLES);
  assert.deepEqual([all.checks, all.chosen], [ALL_CHECKS, false]);
  assert.equal(all.annotation, "clusternet.dev/wg-pubkey");
  const some = parseAll([
    ...["--all", "--only", "rp-filter,agents-version", "--only", "key-file"],
    ...["-o", "json", "--kubeconfig", "f", "--context", "c"],
  ], NO_VARIABLES);
  assert.deepEqual(some.checks.map(({ code }) => code), [
    ...["key-file", "agents-version", "rp-filter"],
  ]);
  assert.deepEqual(
    [some.chosen, some.output, some.kubeconfig, some.context],
    [true, "json", "f", "c"],
  );
  assert.ok(wantsAll(["-o", "json", "--all"]) && !wantsAll(["--all=false"]));
});

Deno.test("parseAll() refuses in one sentence what makes no sense with --all", () => {
  for (
    const [args, sentence] of [
      [["--pair", "n1", "n2"], /^Cannot use --pair with --all: choose one/],
      [["--pair=n1,n2"], /^Cannot use --pair with --all: choose one/],
      [["--prove-encryption"], /^Cannot use --prove-encryption with --all: /],
      [
        ["--peer", "n2"],
        /^Cannot use --peer with --all: it is that of --prove/,
      ],
      [["--list"], /^Cannot use --list with --all: choose one of them$/],
      [
        ["--mtu", "1400"],
        /^Cannot use --mtu with --all: each Node is examined/,
      ],
      [["--interface=x"], /^Cannot use --interface with --all: each Node/],
      [["-o", "yaml"], /^Cannot use --output yaml: there are text and json$/],
      [["--only", "nothing"], /^Cannot use --only nothing: there is no such/],
      [["--onyl", "rbac"], /^Unknown flag --onyl/],
      [["n1"], /n1/],
    ] as const
  ) {
    refuses(() => parseAll(["--all", ...args], NO_VARIABLES), sentence);
    refuses(() => parseAll([...args, "--all"], NO_VARIABLES), sentence);
  }
});

Deno.test("checks that are made with --all only are refused without it, and help says what it does", () => {
  refuses(
    () => chosenChecks("agents-version", CHECKS),
    /^Cannot use --only agents-version: that check is made with --all only$/,
  );
  assert.match(allHelp(), /^Usage: clusternet doctor --all \[FLAGS\]$/m);
  assert.ok(allHelp().split("\n").every((line) => !/\s$/.test(line)));
});

Deno.test("the checks that need no machine are those of the cluster's settings and of all agents together", () => {
  assert.deepEqual(ALL_CHECKS.filter(isOfCluster).map(({ code }) => code), [
    ...["ipam-off", "pod-cidr-outside"],
    ...["agents-cluster-cidr", "agents-listen-port", "agents-version"],
    ...["cidr-nodes", "cidr-services", "cidr-controller", "kube-proxy-cidr"],
    "apiserver-address-types",
  ]);
});

const FINDING = {
  ...{ code: "rbac", severity: "error", sentence: "s", cure: "c" },
  evidence: [],
};

/** JSON of a doctor whose findings have whatever shape. */
function madeBy(findings: unknown, notMade: unknown = []): string {
  return JSON.stringify({ schema: 1, findings, made: 1, notMade });
}

/** What is made of it when the doctor in the pod ends like that. */
async function diagnosedWith(
  end: Partial<ProgramOutput>,
  only?: readonly string[],
): Promise<{ readonly said: unknown; readonly asked: readonly string[] }> {
  let asked: readonly string[] = [];
  const run = (
    _pod: unknown,
    command: readonly string[],
  ): Promise<ProgramOutput> => {
    asked = command.slice(1);
    return Promise.resolve({ code: 0, stdout: "", stderr: "", ...end });
  };
  const { signal } = new AbortController();
  const said = await askForDiagnosis(
    { podOf: () => POD, pods: { run } },
    NODE,
    { only, signal },
  );
  return { said, asked };
}

Deno.test("askForDiagnosis() takes a diagnosis that found something, which ends with 1", async () => {
  const value = { findings: [FINDING], made: 1, notMade: [] };
  const stdout = madeBy([FINDING]);
  const one = await diagnosedWith({ code: 1, stdout }, ["rbac", "clock"]);
  assert.deepEqual(one.said, { value });
  assert.deepEqual(one.asked, [
    ...["doctor", "--output", "json", "--only", "rbac,clock"],
  ]);
  const all = await diagnosedWith({ stdout });
  assert.deepEqual(all.asked, ["doctor", "--output", "json"]);
});

Deno.test("askForDiagnosis() says in a sentence why there is no diagnosis", async () => {
  const place = "its pod clusternet/clusternet-x";
  const older = `${place} is of an older version, which has no`;
  for (
    const [end, why] of [
      [
        { code: 2, stderr: 'clusternet: there is no command "doctor"; `…`\n' },
        `${older} \`clusternet doctor\``,
      ],
      [
        {
          code: 2,
          stderr:
            "clusternet: Cannot use --only rp-filter: there is no such check; `…`\n",
        },
        `${older} check rp-filter`,
      ],
      [
        { stdout: JSON.stringify({ schema: 2, findings: [] }) },
        `${place} is not understood: it is of another version, use the executable of the same one`,
      ],
      [{ code: 137 }, `${place} says: exit code 137`],
      [
        { code: 1, stderr: "clusternet: No room\n" },
        `${place} says: clusternet: No room`,
      ],
      [{ stdout: "null" }, undefined],
      [{ stdout: madeBy([{ code: "rbac", sentence: 3 }]) }, undefined],
      [{ stdout: madeBy([{ ...FINDING, evidence: [{}] }]) }, undefined],
      [{ stdout: madeBy([], [{ code: "rbac" }]) }, undefined],
    ] as const
  ) {
    const { said } = await diagnosedWith(end);
    if (why !== undefined) assert.deepEqual(said, { why });
    else assert.match(JSON.stringify(said), /is not understood/);
  }
});

import assert from "node:assert/strict";
import { parseArguments } from "../../mod/core/arguments.ts";
import { diagnose, type Finding } from "../../mod/doctor/check.ts";
import { ALL_CHECKS, CHECKS } from "../../mod/doctor/checks.ts";
import type { AgentSettings, Facts, Gathered } from "../../mod/doctor/facts.ts";
import { checkRows, diagnosisText } from "../../mod/doctor/text.ts";
import { denialsIn } from "../../mod/sys/denials.ts";
import {
  BREAKS_BESIDE_AGENT,
  BREAKS_WITHOUT_AGENT,
} from "../lab/doctor_breaks.ts";

const { config } = parseArguments([], {}, { hostName: "n1" });

/** As dmesg(1) of Fedora and of Ubuntu has them, with our program's names. */
const LOG = `
[ 100.1] audit: type=1400 audit(1.2:3): avc:  denied  { create } for  pid=77 comm="clusternet" scontext=system_u:system_r:container_t:s0 tclass=netlink_generic_socket permissive=0
[ 100.2] audit: type=1400 audit(1.2:4): apparmor="DENIED" operation="open" profile="snap.firefox" name="/etc/x" pid=78 comm="firefox"
[ 100.3] audit: type=1400 audit(1.2:5): apparmor="DENIED" operation="mknod" profile="clusternet" name="/run/x" pid=79 comm="deno"
`;

function agent(
  node: string,
  more: Partial<AgentSettings> = {},
): AgentSettings {
  return {
    ...{ node, pod: { namespace: "clusternet", name: `clusternet-${node}` } },
    ...{ version: "0.1.0", clusterCidrs: ["10.0.0.0/16"], listenPort: 7_838 },
    ...more,
  };
}

interface Row {
  readonly code: string;
  readonly broken: Partial<Facts>;
  readonly well: Partial<Facts>;
  readonly says: RegExp;
}

/** Texts and figures that no machine of the tests has as well. */
const ROWS: readonly Row[] = [
  {
    code: "kernel-wireguard",
    broken: {
      config,
      kernel: { release: "6.1.0", wireGuard: false, userspace: false },
    },
    well: {
      config,
      kernel: { release: "6.1.0", wireGuard: false, userspace: true },
    },
    says: /Kernel 6\.1\.0 has no WireGuard/,
  },
  {
    code: "kernel-old",
    broken: {
      kernel: { release: "5.4.0-99", wireGuard: false, userspace: false },
    },
    // The module of a distribution does, and so does wireguard-go.
    well: {
      kernel: { release: "5.4.0-99", wireGuard: true, userspace: false },
    },
    says: /5\.6 is the first with it/,
  },
  {
    code: "denials",
    broken: { denials: [{ command: "dmesg", lines: denialsIn(LOG, 1_000) }] },
    well: { denials: [] },
    says: /SELinux and AppArmor denies our program something \(2 times\)/,
  },
  {
    code: "agents-cluster-cidr",
    broken: {
      settings: [
        agent("n1"),
        agent("n2", { clusterCidrs: ["10.0.0.0/8"] }),
        agent("n3"),
      ],
    },
    // In another order, and written in another way.
    well: {
      settings: [
        agent("n1", { clusterCidrs: ["10.0.0.0/16", "fd00:10::/56"] }),
        agent("n2", { clusterCidrs: ["fd00:10:0::/56", "10.0.0.0/16"] }),
      ],
    },
    says:
      /^The agents differ in the cluster CIDR \(10\.0\.0\.0\/16 on n1, n3; 10\.0\.0\.0\/8 on n2\): /,
  },
  {
    code: "agents-listen-port",
    broken: { settings: [agent("n1"), agent("n2", { listenPort: 51_820 })] },
    // A link that is not there has no port, and a check of its own.
    well: { settings: [agent("n1"), agent("n2", { listenPort: null })] },
    says: /UDP port of the tunnels \(7838 on n1; 51820 on n2\)/,
  },
  {
    code: "agents-version",
    broken: {
      settings: Array.from(
        { length: 9 },
        (_, at) => agent(`n${at + 1}`, { version: at < 8 ? "0.2.0" : "0.1.0" }),
      ),
    },
    well: { settings: [agent("n1")] },
    says:
      /their version \(0\.2\.0 on n1, n2, n3, n4, n5 and 3 more; 0\.1\.0 on n9\)/,
  },
];

/**
 * Broken for real by tests of their own: in `tests/lab/doctor_*test.ts`, on a
 * machine with systemd, and in a guest with a kernel of its own.
 */
const OWN_TEST = [
  "agent-two",
  "agent-version",
  "conntrack-full", // tests/vm/drift_test.ts
  "credentials-stale",
  "denials", // tests/vm/doctor_test.ts
  "handshake-future", // tests/vm/drift_test.ts
  "handshake-stale",
  "kernel-old", // tests/vm/doctor_test.ts
  "kernel-wireguard", // tests/vm/doctor_test.ts
  "mtu-black-hole",
  "network-manager", // tests/systemd/network_manager_test.ts
  "networkd", // tests/systemd/networkd_test.ts
  "peer-refused",
  "peer-silent",
];

function found(code: string, facts: Partial<Facts>): readonly Finding[] {
  const checks = ALL_CHECKS.filter((check) => check.code === code);
  const gathered = Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, { value }]),
  );
  const { findings, notMade } = diagnose(checks, gathered as Gathered);
  assert.deepEqual(notMade, []);
  return findings;
}

for (const { code, broken, well, says } of ROWS) {
  Deno.test(`${code} is found in facts that have it, and in no others`, () => {
    const [finding, ...more] = found(code, broken);
    assert.match(finding?.sentence ?? "", says);
    assert.notEqual(finding?.cure, "");
    assert.deepEqual(more, []);
    assert.deepEqual(found(code, well), []);
  });
}

Deno.test("every check is broken by a test, in the lab or by its facts", () => {
  const tested = new Set([
    ...[...BREAKS_BESIDE_AGENT, ...BREAKS_WITHOUT_AGENT, ...ROWS]
      .map(({ code }) => code),
    ...OWN_TEST,
  ]);
  assert.deepEqual(
    ALL_CHECKS.map(({ code }) => code).filter((code) => !tested.has(code)),
    [],
  );
  assert.equal(tested.size, ALL_CHECKS.length);
  assert.ok(CHECKS.length >= 30);
});

Deno.test("no two checks have one code", () => {
  const codes = ALL_CHECKS.map(({ code }) => code);
  assert.deepEqual(codes, [...new Set(codes)]);
});

Deno.test("diagnose() says why a check was not made, and makes the others", () => {
  const { findings, notMade, made } = diagnose(
    CHECKS.filter(({ code }) => ["api-slow", "kernel-old"].includes(code)),
    {
      api: { why: "not known within 20 s" },
      kernel: {
        value: { release: "4.19.0", wireGuard: false, userspace: false },
      },
    },
  );
  assert.deepEqual(findings.map(({ code }) => code), ["kernel-old"]);
  assert.deepEqual(notMade, [{
    code: "api-slow",
    why: "not known within 20 s",
  }]);
  assert.equal(made, 1);
});

Deno.test("diagnosisText() shows sentence, command, output and cure, and what was not made", () => {
  const text = diagnosisText({
    made: 1,
    findings: [{
      code: "kernel-old",
      severity: "warning",
      sentence: "Kernel 4.19 is old",
      evidence: [{ command: "uname -r", output: "4.19" }],
      cure: "boot another",
    }],
    notMade: [{ code: "rbac", why: "no answer" }],
  });
  assert.equal(
    text,
    `1. Kernel 4.19 is old [kernel-old, warning]
   $ uname -r
     4.19
   → boot another

1 found by 1 checks.
Not made: rbac: no answer`,
  );
});

Deno.test("docs/doctor.md has the checks of `clusternet doctor --list`", () => {
  const page = Deno.readTextFileSync(
    new URL("../../docs/doctor.md", import.meta.url),
  );
  const [, block = ""] =
    /<!-- checks:[^>]*-->\n\n```\n([\s\S]*?)```\n\n<!-- \/checks -->/.exec(
      page,
    ) ?? [];
  assert.equal(block.trimEnd(), checkRows(ALL_CHECKS));
});

import assert from "node:assert/strict";
import type { Finding } from "../../mod/doctor/check.ts";
import { CHECKS } from "../../mod/doctor/checks.ts";
import { explainPair, type Hop } from "../../mod/doctor/pair.ts";
import {
  type Moved,
  movedBetween,
  PAIR_CHECKS,
  type PairFacts,
  type Side,
} from "../../mod/doctor/pair_facts.ts";
import { pairText } from "../../mod/doctor/pair_text.ts";
import type { PeerStatus, Status } from "../../mod/core/status.ts";
import { makePaint, PLAIN, widthOf } from "../../mod/view/text.ts";
import { statusOf } from "../support/statuses.ts";

const ANNOTATION = "clusternet.dev/wg-pubkey";
const KEYS = {
  n1: `${"1".repeat(42)}A=`,
  n2: `${"2".repeat(42)}A=`,
} as const;

type Name = keyof typeof KEYS;

function peer(of: Name, change: Partial<PeerStatus> = {}): PeerStatus {
  const digit = of.slice(1);
  return {
    node: of,
    publicKey: KEYS[of],
    endpoint: `192.0.2.${digit}:7838`,
    podCidrs: [`10.0.${digit}.0/24`],
    linkAddress: `10.0.${digit}.1`,
    handshakeSeconds: 12,
    receivedBytes: 2_048,
    sentBytes: 1_024,
    state: "up",
    probe: { agoSeconds: 0, answered: true, roundTripMs: 0.8, failure: "" },
    ...change,
  };
}

const SILENT: Partial<PeerStatus> = {
  state: "down",
  handshakeSeconds: 400,
  probe: {
    agoSeconds: 1,
    answered: false,
    roundTripMs: null,
    failure: "no answer within 3 s",
  },
};

function status(of: Name, peers: readonly PeerStatus[]): Status {
  return {
    ...statusOf(2),
    node: { name: of, uid: of, internalIps: [], podCidrs: [] },
    key: { publicKey: KEYS[of], published: KEYS[of], annotation: ANNOTATION },
    peers,
    findings: [],
  };
}

const OTHER = { n1: "n2", n2: "n1" } as const;

interface SideChange {
  readonly node?: Partial<Side["node"]>;
  readonly ready?: Side["ready"];
  readonly status?: Partial<Status>;
  readonly peer?: Partial<PeerStatus> | null;
  readonly moved?: readonly [sent: number, received: number];
  readonly away?: string;
  readonly findings?: readonly Finding[];
  readonly checks?: Side["checks"];
}

function side(name: Name, change: SideChange): Side {
  const peers = change.peer === null ? [] : [peer(OTHER[name], change.peer)];
  const [sentBytes, receivedBytes] = change.moved ?? [92, 92];
  const moved: Moved = { sentBytes, receivedBytes };
  const findings = change.findings ?? [];
  return {
    node: {
      name,
      uid: name,
      created: "2026-01-01T00:00:00Z",
      publicKey: KEYS[name],
      internalIps: [`192.0.2.${name.slice(1)}`],
      podCidrs: [`10.0.${name.slice(1)}.0/24`],
      ...change.node,
    },
    ready: change.ready === undefined
      ? { status: "True", reason: "KubeletReady", message: "" }
      : change.ready,
    pod: { namespace: "clusternet", name: `clusternet-${name}` },
    answer: change.away === undefined
      ? {
        kind: "status",
        status: { ...status(name, peers), ...change.status },
      }
      : { kind: "none", why: change.away },
    moved: change.away === undefined ? moved : null,
    checks: change.checks ??
      { value: { findings, notMade: [], made: PAIR_CHECKS.length } },
  };
}

function facts(a: SideChange = {}, b: SideChange = {}): PairFacts {
  return {
    server: "https://192.0.2.10:6443",
    time: "2026-01-01T12:00:00Z",
    annotation: ANNOTATION,
    a: side("n1", a),
    b: side("n2", b),
  };
}

function finding(change: Partial<Finding>): Finding {
  return {
    code: "forward-drop",
    severity: "error",
    sentence: "The host's firewall drops what is forwarded",
    evidence: [{ command: "iptables -S FORWARD", output: "-P FORWARD DROP" }],
    cure: "iptables -I FORWARD -j ACCEPT",
    ...change,
  };
}

interface Row {
  readonly what: string;
  readonly a?: SideChange;
  readonly b?: SideChange;
  readonly grade: "broken" | "unknown" | "stands";
  readonly says: RegExp;
  readonly cures?: RegExp;
}

const AWAY = "its pod clusternet/clusternet-n2 does not run: ImagePullBackOff";

const ROWS: readonly Row[] = [
  {
    what: "all is well",
    grade: "stands",
    says:
      /^The path between n1 and n2 stands, there \(0\.8 ms\) and back \(0\.8 ms\)$/,
  },
  {
    what: "a Node without a public key",
    b: { node: { publicKey: undefined } },
    a: {
      peer: null,
      status: {
        findings: [{
          node: "n2",
          peer: false,
          reasons: [{ code: "no-key", text: "Node n2 has published none" }],
        }],
      },
    },
    grade: "broken",
    says: /first at the Node object of n2: Node n2 has no public key/,
    cures: /kubectl -n clusternet logs clusternet-n2/,
  },
  {
    what: "a Node without podCIDRs",
    a: { node: { podCidrs: [] } },
    grade: "broken",
    says: /at the Node object of n1: Node n1 has no podCIDRs/,
    cures: /--allocate-node-cidrs/,
  },
  {
    what: "a Node without an InternalIP",
    b: { node: { internalIps: [] } },
    grade: "broken",
    says: /at the Node object of n2: Node n2 has no InternalIP/,
    cures: /--node-ip/,
  },
  {
    what: "a Node that is not Ready, and its tunnel is",
    b: {
      ready: {
        status: "Unknown",
        reason: "NodeStatusUnknown",
        message: "Kubelet stopped posting node status.",
      },
    },
    grade: "stands",
    says: /stands, .*; 1 thing is worth a look$/,
  },
  {
    what: "an agent that cannot be asked, of a Node that answers",
    b: { away: AWAY },
    grade: "unknown",
    says:
      /^Cannot tell whether .*: The agent of n2 cannot be asked: its pod .* ImagePullBackOff; the tunnel itself carries packets both ways, as n1's probe shows$/,
    cures: /describe pod clusternet-n2/,
  },
  {
    what: "an agent that cannot be asked, of a Node that is silent",
    a: { peer: SILENT, moved: [444, 0] },
    b: { away: AWAY },
    grade: "broken",
    says:
      /in the tunnel from n1: n1 sends \(444 B\) and hears nothing of n2; what n2 sees is not known: its pod/,
    cures: /ping 192\.0\.2\.2 on n1/,
  },
  {
    what: "an agent that has another key than its Node says",
    b: {
      status: {
        key: {
          publicKey: `${"3".repeat(42)}A=`,
          published: KEYS.n2,
          annotation: ANNOTATION,
        },
      },
    },
    grade: "broken",
    says: /at the agent of n2: The agent of n2 has the key 33.*, its Node says/,
    cures: /key-mismatch/,
  },
  {
    what: "an agent that is not ready",
    b: {
      status: {
        health: { ready: false, text: "Degraded", problems: ["No plugins"] },
      },
    },
    grade: "stands",
    says: /1 thing is worth a look$/,
  },
  {
    what: "two versions",
    b: { status: { version: "0.0.9" } },
    grade: "stands",
    says: /2 things are worth a look$/,
  },
  {
    what: "no link",
    b: { status: { link: null, peers: [] } },
    a: { peer: SILENT },
    grade: "broken",
    says: /at the link of n2: n2 has no WireGuard link/,
  },
  {
    what: "a link that is down",
    a: {
      status: {
        link: {
          name: "clusternet",
          backend: "kernel",
          up: false,
          mtu: 1_440,
          listenPort: 7_838,
          addresses: [],
        },
      },
      peer: SILENT,
    },
    grade: "broken",
    says: /at the link of n1: The link clusternet of n1 is down/,
    cures: /ip link set clusternet up/,
  },
  {
    what: "two ports",
    b: {
      status: {
        link: {
          name: "clusternet",
          backend: "kernel",
          up: true,
          mtu: 1_440,
          listenPort: 7_900,
          addresses: [],
        },
      },
    },
    grade: "broken",
    says: /n1 has the tunnels on UDP 7838, n2 on UDP 7900/,
    cures: /--listen-port/,
  },
  {
    what: "a Node that is no peer, with the agent's reason",
    a: {
      peer: null,
      status: {
        findings: [{
          node: "n2",
          peer: false,
          reasons: [{ code: "conflict", text: "Node n3 has that key" }],
        }],
      },
    },
    grade: "broken",
    says: /at the peers of n1: n2 is no peer of n1: Node n3 has that key$/,
  },
  {
    what: "a peer with a key of before",
    a: { peer: { ...SILENT, publicKey: `${"4".repeat(42)}A=` } },
    grade: "broken",
    says: /at the peers of n1: n1 has n2 with the key 44.*, its Node says 22/,
    cures: /does not follow the Nodes/,
  },
  {
    what: "a peer at another endpoint, and silent",
    a: { peer: { ...SILENT, endpoint: "198.51.100.7:1024" } },
    grade: "broken",
    says:
      /at the peers of n1: n1 sends to n2 at 198\.51\.100\.7:1024, which is not 192\.0\.2\.2:7838/,
    cures: /NAT/,
  },
  {
    what: "a peer at another endpoint, and it answers",
    a: { peer: { endpoint: "198.51.100.7:1024" } },
    grade: "stands",
    says: /1 thing is worth a look$/,
  },
  {
    what: "a peer without one of its podCIDRs",
    b: { node: { podCidrs: ["10.0.2.0/24", "fd00:2::/64"] } },
    grade: "broken",
    says: /at the peers of n1: n1 sends n2 nothing for fd00:2::\/64/,
  },
  {
    what: "a peer with podCIDRs that its Node has no more",
    a: { peer: { podCidrs: ["10.0.2.0/24", "10.0.7.0/24"] } },
    grade: "broken",
    says: /n1 sends n2 what is for 10\.0\.7\.0\/24, which its Node does not/,
  },
  {
    what: "UDP that is filtered on the way there",
    a: { peer: SILENT, moved: [444, 148] },
    b: { peer: SILENT, moved: [296, 0] },
    grade: "broken",
    says:
      /in the tunnel from n1: n1 sends \(444 B\), and n2 receives nothing, while what n2 sends does come to n1: UDP 7838 is filtered in this direction alone$/,
    cures: /^open UDP 7838 from 192\.0\.2\.1 to 192\.0\.2\.2 /,
  },
  {
    what: "UDP that is filtered on the way back",
    a: { peer: SILENT, moved: [444, 0] },
    b: { peer: SILENT, moved: [296, 148] },
    grade: "broken",
    says:
      /n2 receives what n1 sends and answers \(296 B\), and n1 receives nothing: UDP 7838 is filtered on the way back alone$/,
    cures: /^open UDP 7838 from 192\.0\.2\.2 to 192\.0\.2\.1 /,
  },
  {
    what: "UDP that is filtered both ways",
    a: { peer: SILENT, moved: [444, 0] },
    b: { peer: SILENT, moved: [296, 0] },
    grade: "broken",
    says: /n2 receives nothing; nor does n1 receive what n2 sends: UDP 7838/,
  },
  {
    what: "an end that receives and sends nothing back",
    a: { peer: SILENT, moved: [444, 0] },
    b: { peer: SILENT, moved: [0, 444] },
    grade: "broken",
    says: /n2 receives what n1 sends, and sends nothing back: a firewall/,
    cures: /^on n2: clusternet doctor/,
  },
  {
    what: "an end that drops what comes out of the tunnel",
    a: { peer: SILENT, moved: [444, 92] },
    b: { peer: SILENT, moved: [92, 444] },
    grade: "broken",
    says: /The tunnel carries packets both ways, and yet n2 gives n1 no answer/,
  },
  {
    what: "packets that never get into the tunnel",
    a: { peer: SILENT, moved: [0, 0] },
    b: { peer: SILENT, moved: [0, 0] },
    grade: "broken",
    says: /n1 sends nothing to n2: its packets do not get into the tunnel/,
    cures: /^on n1: clusternet doctor/,
  },
  {
    what: "a machine that drops what pods send",
    b: { findings: [finding({})] },
    grade: "broken",
    says: /at the machine of n2: n2: The host's firewall drops what is/,
    cures: /iptables -I FORWARD/,
  },
  {
    what: "a key that explains the silence comes before it",
    a: { peer: SILENT, moved: [444, 0] },
    b: {
      peer: SILENT,
      moved: [444, 0],
      findings: [
        finding({ code: "key-mismatch", sentence: "The link has another" }),
      ],
    },
    grade: "broken",
    says: /at the machine of n2: n2: The link has another/,
  },
  {
    what: "a finding about a third Node",
    b: { findings: [finding({ code: "peer-silent", node: "n3" })] },
    grade: "stands",
    says: /stands, there \(0\.8 ms\) and back \(0\.8 ms\)$/,
  },
  {
    what: "a finding that breaks nothing yet",
    b: { findings: [finding({ severity: "warning" })] },
    grade: "stands",
    says: /1 thing is worth a look$/,
  },
  {
    what: "a machine that could not be examined",
    b: { checks: { why: "its pod says: exit code 137, and no diagnosis" } },
    grade: "unknown",
    says:
      /^Cannot tell whether .*: The machine of n2 could not be examined: its pod says: exit code 137/,
  },
];

for (const { what, a, b, grade, says, cures } of ROWS) {
  Deno.test(`explainPair() says what it makes of ${what}`, () => {
    const { verdict, ways } = explainPair(facts(a, b));
    assert.match(verdict.sentence, says);
    assert.equal(verdict.grade, grade, verdict.sentence);
    assert.match(verdict.cure, grade === "stands" ? /^$/ : cures ?? /\w/);
    assert.doesNotMatch(verdict.sentence, /undefined|null/);
    for (const hop of ways.flatMap(({ hops }) => hops)) hasAll(hop);
  });
}

/** A sentence, what was asked and what it said; and a cure unless all is well. */
function hasAll({ cure, evidence, grade, sentence }: Hop): void {
  assert.match(sentence, /^\S[^\n]*\S$/);
  assert.doesNotMatch(sentence, /undefined|null/);
  assert.ok(evidence.length > 0, sentence);
  for (const { command, output } of evidence) {
    assert.match(command, /^\S/);
    assert.doesNotMatch(`${command} ${output}`, /undefined|null/);
  }
  assert.equal(cure === "", grade === "good", `${sentence} → ${cure}`);
}

Deno.test("explainPair() goes the same hops there and back", () => {
  const { ways } = explainPair(facts());
  const hops = [
    ...["node", "agent", "link", "peer", "handshake", "probe", "machine"],
  ];
  assert.deepEqual(
    ways.map(({ from, to, hops }) => [
      from,
      to,
      ...hops.map(({ code }) => code),
    ]),
    [["n1", "n2", ...hops], ["n2", "n1", ...hops]],
  );
});

Deno.test("explainPair() says which checks could not be made in the agent's pod", () => {
  const why = "no answer from n2, whatever the size";
  const notMade = [{ code: "mtu-black-hole", why }];
  const { ways, verdict } = explainPair(
    facts({ checks: { value: { findings: [], notMade, made: 24 } } }),
  );
  assert.equal(verdict.grade, "stands");
  const machine = ways[0].hops.find(({ code }) => code === "machine");
  assert.match(
    machine?.sentence ?? "",
    /^24 checks find nothing on the machine of n1 .*; 1 could not be made in the agent's pod, among them that of the largest packet \(on n1 itself: clusternet doctor --only mtu-black-hole\)$/,
  );
  assert.match(
    machine?.evidence[0]?.output ?? "",
    /^Not made: mtu-black-hole: no answer from n2/m,
  );
});

Deno.test("movedBetween() counts from nothing where the peer was made anew", () => {
  const of = (change: Partial<PeerStatus>): Pick<Status, "peers"> => ({
    peers: [peer("n2", change)],
  });
  const first = of({ sentBytes: 1_000, receivedBytes: 500 });
  const later = of({ sentBytes: 1_148, receivedBytes: 500 });
  const anew = of({ sentBytes: 148, receivedBytes: 0 });
  const otherKey = of({ publicKey: KEYS.n1, sentBytes: 2_000 });
  assert.deepEqual(movedBetween(first, later, "n2"), {
    sentBytes: 148,
    receivedBytes: 0,
  });
  assert.deepEqual(movedBetween(first, anew, "n2"), {
    sentBytes: 148,
    receivedBytes: 0,
  });
  assert.equal(movedBetween(first, otherKey, "n2")?.sentBytes, 2_000);
  assert.equal(movedBetween(first, { peers: [] }, "n2"), null);
});

Deno.test("every check that is made for a pair is one of the doctor's", () => {
  const codes = CHECKS.map(({ code }) => code);
  for (const code of PAIR_CHECKS) assert.ok(codes.includes(code), code);
});

Deno.test("pairText() fits the terminal, marks what is broken, and ends with the verdict", () => {
  const explanation = explainPair(facts(
    { peer: SILENT, moved: [444, 148] },
    { peer: SILENT, moved: [296, 0] },
  ));
  const text = pairText(explanation, { width: 60, paint: PLAIN });
  for (const line of text) assert.ok(widthOf(line) <= 60, line);
  const wide = pairText(explanation, { width: undefined, paint: PLAIN });
  assert.equal(wide[0], "From n1 to n2");
  assert.ok(wide.includes("From n2 to n1"));
  assert.match(wide.join("\n"), /^ {2}BROKEN {2}n1 sends \(444 B\)/m);
  assert.match(wide.join("\n"), /^ {10}\$ ping -c 1 -W 3 10\.0\.2\.1$/m);
  assert.deepEqual(wide.slice(-2), [
    explanation.verdict.sentence,
    `→ ${explanation.verdict.cure}`,
  ]);
  const red = pairText(explanation, { width: 60, paint: makePaint(true) });
  assert.ok(red.join("\n").includes("\x1b[31mBROKEN\x1b[0m"));
});

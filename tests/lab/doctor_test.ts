import assert from "node:assert/strict";
import {
  type Break,
  BREAKS_BESIDE_AGENT,
  BREAKS_WITHOUT_AGENT,
  type Scene,
} from "./doctor_breaks.ts";
import { CHECKS } from "../../mod/doctor/checks.ts";
import {
  agentIsWell,
  amongOwnMounts,
  doctor,
  doctorWithoutPrograms,
  doctorWithoutPtrace,
} from "./doctor.ts";
import { Child, run } from "./exec.ts";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  patience,
  settled,
} from "./harness.ts";
import type { Lab } from "./lab.ts";
import { type LabNode, LINK } from "./node.ts";

/** No tunnel gets in. */
const WALLED = `nft add table inet walled
nft 'add chain inet walled input { type filter hook input priority 0; }'
nft add rule inet walled input udp dport 7838 drop`;

/** Checks that a machine without its program cannot make, and what they then say. */
const NEEDS_PROGRAM = Object.fromEntries(
  Object.entries({
    dmesg: ["denials"],
    systemctl: ["network-manager", "networkd"],
  }).flatMap(([program, codes]) =>
    codes.map((code) => [code, `there is no ${program} on this machine`])
  ),
);

async function sceneOf(lab: Lab): Promise<Scene> {
  await bringUp(lab);
  await addPods(lab, 1);
  const [node, other] = lab.nodes;
  assert.ok(node !== undefined && other !== undefined);
  return { lab, node, other };
}

async function act(
  deed: Break["breaks"],
  scene: Scene,
): Promise<void> {
  if (deed === undefined) return;
  if (typeof deed === "string") await scene.node.space.sh(deed);
  else await deed(scene);
}

/** Broken: found, with evidence and cure. Then mended: who calls looks whether all is quiet. */
async function breakAndLook(one: Break, scene: Scene): Promise<void> {
  const { code, says, cures = /\w/, flags = [] } = one;
  const only = ["--only", code];
  await act(one.breaks, scene);
  const broken = await doctor(scene.node, [...only, ...flags]);
  const text = JSON.stringify(broken, null, 1);
  const [finding] = broken.findings;
  assert.ok(finding !== undefined, `${code} finds nothing: ${text}`);
  assert.match(finding.sentence, says, text);
  assert.match(finding.cure, cures, text);
  assert.ok(finding.evidence.length > 0, text);
  await act(one.mends, scene);
}

labTest(
  "doctor finds nothing on a healthy node, each thing that is broken beside the agent, and nothing once it is mended",
  { nodes: 2 },
  async (lab) => {
    const scene = await sceneOf(lab);
    const healthy = await doctor(scene.node);
    assert.deepEqual(healthy.findings, []);
    const away = Object.fromEntries(
      healthy.notMade.map(({ code, why }) => [code, why]),
    );
    assert.deepEqual(Object.keys(away), [
      ...["cidr-services", "cidr-controller"],
      ...["kube-proxy-cidr", "apiserver-address-types"],
    ]);
    assert.match(
      away["cidr-services"] ?? "",
      /^no control plane runs on this machine: `clusternet doctor --all` /,
    );
    const bare = await doctorWithoutPrograms(scene.node);
    assert.deepEqual(bare.findings, []);
    assert.deepEqual(
      Object.fromEntries(bare.notMade.map(({ code, why }) => [code, why])),
      {
        ...NEEDS_PROGRAM,
        ...away,
      },
    );
    assert.equal(bare.made + bare.notMade.length, CHECKS.length);
    await saysHowFar(scene);
    await looksWithoutRights(scene);
    for (const one of BREAKS_BESIDE_AGENT) await breakAndLook(one, scene);
    await agentIsWell(scene.node);
    assert.deepEqual((await doctor(scene.node)).findings, []);
  },
);

/** On a terminal: a line in its place while it looks, gone before the answer. */
async function saysHowFar({ node }: Scene): Promise<void> {
  const line = (command: string, ...flags: readonly string[]): string =>
    node.agentCommand(flags, command).map((word) => `'${word}'`).join(" ");
  const onTerminal = async (command: string): Promise<readonly string[]> => {
    const { stdout } = await run([
      ...["script", "--quiet", "--return", "--command"],
      ...[`TERM=xterm ${command}`, "/dev/null"],
    ]);
    return stdout.replaceAll("\x1b[K", "").split(/[\r\n]+/);
  };
  const known = [1, 2, 3].map((count) => `… ${count} of 3 parts known`);
  assert.deepEqual(
    await onTerminal(line("doctor", "--only", "rp-filter,rbac")),
    [
      "",
      ...["…", ...known].map((end) => `examining this machine${end}`),
      "Nothing found by 2 checks.",
      "",
    ],
  );
  const [, , sending, first] = await onTerminal(
    line("doctor", "--prove-encryption"),
  );
  assert.match(sending ?? "", /^sending 10 packets to each of 1 podCIDR, and/);
  assert.match(first ?? "", /^n2 \(.*: 10 packets sent/);
}

labTest(
  "doctor finds each thing that is broken while no agent mends it, and nothing once one has",
  { nodes: 2 },
  async (lab) => {
    const scene = await sceneOf(lab);
    await scene.node.stopAgent();
    for (const one of BREAKS_WITHOUT_AGENT) await breakAndLook(one, scene);
    await seesHiddenHolder(scene);
    scene.node.startAgent();
    await settled(lab);
    await agentIsWell(scene.node);
    const mended = await doctor(scene.node);
    assert.deepEqual(mended.findings, []);
  },
);

labTest(
  "doctor names the --mtu for a path that carries less than the network card says",
  { nodes: 2 },
  async (lab) => {
    const scene = await sceneOf(lab);
    const { node, other } = scene;
    await lab.underlay.sh(`ip link set ${other.plan.port} mtu 1400`);
    const { findings } = await doctor(node, ["--only", "mtu-black-hole"]);
    assert.match(findings[0]?.cure ?? "", /^--mtu 1400 of the agent/);
    await lab.underlay.sh(`ip link set ${other.plan.port} mtu 1500`);
    const mended = await doctor(node, ["--only", "mtu-black-hole"]);
    assert.deepEqual([mended.findings, mended.notMade], [[], []]);
    // As firewalld does; then as others do.
    await other.space.sh(`nft add table inet walled
nft 'add chain inet walled input { type filter hook input priority 0; }'
nft add rule inet walled input udp dport 9 reject with icmpx admin-prohibited`);
    const refused = await doctor(node, ["--only", "mtu-black-hole"]);
    assert.deepEqual([refused.findings, refused.notMade], [[], []]);
    await other.space.sh(`nft flush chain inet walled input
nft add rule inet walled input udp dport 9 drop`);
    const { findings: none, notMade } = await doctor(node, [
      ...["--only", "mtu-black-hole"],
    ]);
    assert.deepEqual(none, []);
    assert.match(
      notMade[0]?.why ?? "",
      /^no answer from n2, whatever the size: .* drop UDP/,
    );
  },
);

labTest(
  "doctor tells a peer that refuses from one that is filtered and from one that is off, while another one answers",
  { nodes: 3 },
  async (lab) => {
    const { node, other } = await sceneOf(lab);
    // The third refuses the packets by which its path is measured.
    const only = ["--only", "peer-refused,peer-silent"];
    await other.space.sh(WALLED);
    const filtered = await doctor(node, [
      ...["--only", "peer-refused,peer-silent,mtu-black-hole"],
    ]);
    assert.deepEqual(filtered.findings.map(({ code }) => code), [
      "peer-silent",
    ]);
    assert.match(
      filtered.findings[0]?.sentence ?? "",
      /nothing comes back at all, though the machine itself answers/,
    );
    await other.space.sh(`nft flush chain inet walled input
nft add rule inet walled input udp dport 7838 reject`);
    const refused = await doctor(node, only);
    assert.deepEqual(refused.findings.map(({ code }) => code), [
      "peer-refused",
    ]);
    await other.space.sh("nft delete table inet walled; ip link set eth0 down");
    const off = await doctor(node, only);
    assert.match(
      off.findings[0]?.sentence ?? "",
      /does not answer outside of it either/,
    );
  },
);

labTest(
  "doctor finds a second agent, and a peer that is spoken to and never answers",
  { nodes: 2 },
  async (lab) => {
    const { node, other } = await sceneOf(lab);
    const second = await secondAgent(node);
    try {
      await eventually("two agents are seen", async () => {
        const { findings } = await doctor(node, ["--only", "agent-two"]);
        return /^2 agents run/.test(findings[0]?.sentence ?? "")
          ? true
          : undefined;
      }, patience(10_000));
    } finally {
      await second.stop("SIGTERM");
    }
    assert.deepEqual(
      (await doctor(node, ["--only", "agent-two,handshake-stale"])).findings,
      [],
    );
    await node.stopAgent();
    await other.stopAgent();
    const [key = ""] = await node.peers();
    const [prefix = ""] = other.plan.podCidrs;
    const [address = ""] = other.plan.internalIps;
    await other.space.sh(WALLED);
    await node.space.sh(`wg set ${LINK} peer ${key} remove
wg set ${LINK} peer ${key} allowed-ips ${prefix} endpoint ${address}:7838
ping -c 1 -W 1 ${prefix.replace("0/24", "1")} > /dev/null || true`);
    const { findings } = await doctor(node, ["--only", "handshake-stale"]);
    assert.match(findings[0]?.sentence ?? "", /has never shaken hands/);
  },
);

/** Who may not look into other processes is told so, and no agent is said to be away. */
async function looksWithoutRights({ node }: Scene): Promise<void> {
  const { findings, notMade } = await doctorWithoutPtrace(node, [
    ...["--only", "agent-not-running,agent-two"],
  ]);
  assert.deepEqual(findings, []);
  const why = "other processes may not be looked into: ask as root";
  assert.deepEqual(notMade, [
    { code: "agent-not-running", why },
    { code: "agent-two", why },
  ]);
}

/** That a port is held is seen all the same, though not by whom. */
async function seesHiddenHolder(scene: Scene): Promise<void> {
  const held = BREAKS_WITHOUT_AGENT.find(({ code }) => code === "port-in-use");
  await act(held?.breaks, scene);
  const { findings } = await doctorWithoutPtrace(scene.node, [
    ...["--only", "port-in-use"],
  ]);
  await act(held?.mends, scene);
  assert.match(
    findings.map(({ sentence }) => sentence).join("; "),
    /^UDP 7838, .* held by another WireGuard link, or a process that is not seen from here$/,
  );
}

/** As a DaemonSet's pod beside a service: with another /run, so another lock. */
async function secondAgent(node: LabNode): Promise<Child> {
  const child = new Child(
    "a second agent",
    amongOwnMounts(
      node.agentCommand(),
      "mount -t tmpfs tmpfs /run/clusternet",
    ),
    { env: node.settings.env },
  );
  await child.line(/Read the private key/, { withinMs: patience(10_000) });
  return child;
}

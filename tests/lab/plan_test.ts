import assert from "node:assert/strict";
import { skipped } from "../support/skip.ts";
import { dieWithUs, run, SHELL } from "./exec.ts";
import { bringUp, eventually, labTest, patience } from "./harness.ts";
import { dataPlane, firstNode, peerLines, ready, writesOf } from "./look.ts";
import type { Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";
import { planJson, planOn } from "./plan_command.ts";

const NOBODY = new Uint8Array(32).fill(8).toBase64();

interface Drift {
  readonly what: string;
  /** @param peer the key of one that should be there */
  readonly command: (peer: string) => string;
  /** Kinds of the steps that mend it. */
  readonly kinds: readonly string[];
  readonly only?: "kernel";
}

const DRIFTS: readonly Drift[] = [
  {
    what: "a route deleted",
    command: () => "ip route del 10.0.0.0/16 dev clusternet",
    kinds: ["add-route"],
  },
  {
    what: "the MTU, a peer, a foreign peer, table and forwarding at once",
    command: (peer) => `
ip link set clusternet mtu 1300
wg set clusternet peer ${peer} remove
wg set clusternet peer ${NOBODY} allowed-ips 10.0.250.0/24
nft flush table inet clusternet
echo 0 > /proc/sys/net/ipv4/ip_forward`,
    kinds: ["set-table", "set-link-mtu", "set-sysctl", "peer", "peer"],
  },
  {
    what: "a peer's endpoint and prefixes, the link down",
    command: (peer) => `
wg set clusternet peer ${peer} endpoint 192.0.2.250:9 allowed-ips 10.0.249.0/24
ip link set clusternet down`,
    kinds: ["set-link-up", "add-route", "peer", "peer"],
  },
  {
    what: "the link",
    command: () => "ip link del clusternet",
    kinds: [],
    only: "kernel",
  },
];

function applies({ only }: Drift, lab: Lab): boolean {
  return only === undefined || only === lab.settings.wireguard.backend;
}

async function spoil(node: LabNode, drift: Drift): Promise<void> {
  const [peer = ""] = await node.peers();
  await node.space.sh(drift.command(peer));
}

/** What an agent logs at its start of the steps that it does. */
async function stepsOfAgent(node: LabNode): Promise<readonly string[]> {
  const agent = node.startAgent(["--log-format", "json"]);
  await ready(node);
  const messages = agent.lines.flatMap((line) =>
    line.startsWith("{") ? [String(JSON.parse(line).message)] : []
  );
  await node.stopAgent();
  return messages.filter((text) => /^(ip|wg|nft|sysctl|write) /.test(text));
}

/** All that could change, as other programs see it. */
async function everything(lab: Lab, node: LabNode): Promise<string> {
  const { space } = node;
  return [
    await dataPlane(node),
    ...await peerLines(node),
    await space.sh(`
nft list ruleset
ip -d rule show
ls -lanR --time-style=full-iso /run/clusternet-cni
stat -c '%n %y %z' ${node.keyFile} ${node.conflistFile}
sha256sum ${node.keyFile}
ls -ldn "$(dirname ${node.keyFile})"
ls -lAn "$(dirname ${node.keyFile})"`),
    JSON.stringify(await writesOf(lab)),
  ].join("\n");
}

labTest(
  "plan says what the agent then does, a shell can do it, and it writes nothing",
  { nodes: 3 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    await nothingToDo(lab, node);
    await node.stopAgent();
    for (const drift of DRIFTS.filter((one) => applies(one, lab))) {
      await spoil(node, drift);
      const { steps, problems } = await planJson(node);
      assert.deepEqual(problems, [], drift.what);
      if (drift.kinds.length > 0) {
        const kinds = steps.map(({ kind }) => kind);
        assert.deepEqual(kinds, drift.kinds, drift.what);
      }
      const commands = steps.map(({ command }) => command);
      assert.deepEqual(await stepsOfAgent(node), commands, drift.what);
    }
    const good = await dataPlane(node);
    for (const drift of DRIFTS.filter(({ kinds }) => kinds.length > 0)) {
      await spoil(node, drift);
      const { code, stdout } = await planOn(node, ["--exit-code"]);
      assert.equal(code, 3, stdout);
      await node.space.must([SHELL, "-eu"], { input: stdout });
      assert.equal(await dataPlane(node), good, drift.what);
      const after = await planOn(node, ["--exit-code"]);
      assert.equal(after.code, 0, after.stdout);
      assert.match(
        after.stdout,
        /\nNothing to do: all stands as it should \(2 peers\)\n$/,
      );
    }
    await asWritten(lab, node);
    await whatIsInTheWay(node);
  },
);

/** From the running agent and by an own look. */
async function nothingToDo(lab: Lab, node: LabNode): Promise<void> {
  const before = await everything(lab, node);
  for (const source of ["agent", "api", "auto"]) {
    const { code, stdout, stderr } = await planOn(node, [
      ...["--source", source, "--exit-code"],
    ]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(
      stdout,
      /\nNothing to do: all stands as it should \(2 peers\)\n$/,
    );
  }
  assert.equal(await everything(lab, node), before);
}

/** A snapshot gives the same text, without any right, in a network that has nothing. */
async function asWritten(lab: Lab, node: LabNode): Promise<void> {
  const [drift] = DRIFTS.filter(({ kinds }) => kinds.length > 2);
  assert.ok(drift !== undefined);
  await spoil(node, drift);
  const before = await everything(lab, node);
  const file = node.keyFile.replace("/state/private.key", "/plan.snapshot");
  const { stdout } = await planOn(node, ["--save", file]);
  const text = await node.space.must(["cat", file]);
  await node.space.sh(`rm ${file}`);
  assert.equal(await everything(lab, node), before);
  const { code, stdout: again, stderr } = await run(
    dieWithUs([
      ...["unshare", "--net", "setpriv", "--bounding-set=-all"],
      ...["--inh-caps=-all", ...lab.settings.agent, "plan", "--snapshot", "-"],
    ]),
    { env: lab.settings.env, input: text },
  );
  assert.equal(code, 0, stderr);
  assert.equal(again, stdout);
}

async function whatIsInTheWay(node: LabNode): Promise<void> {
  await node.space.sh(`
ip route del 10.0.0.0/16 dev clusternet
ip route add 10.0.0.0/16 dev eth0 proto static`);
  const { code, stdout } = await planOn(node);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^# In the way: A route to 10\.0\.0\.0\/16 by somebody else \(protocol 4\)/m,
  );
  await eventually("the plan is text of a shell", async () => {
    const { code } = await run([SHELL, "-n"], { input: stdout });
    return code === 0 ? true : undefined;
  }, patience(1_000));
}

labTest(
  "plan sends the kernel no request but for reading",
  { nodes: 2 },
  async (lab) => {
    if (skipped("plan under strace", { commands: ["strace"] })) return;
    await bringUp(lab);
    const node = firstNode(lab);
    await node.stopAgent();
    const [drift] = DRIFTS.filter(({ kinds }) => kinds.length > 2);
    assert.ok(drift !== undefined);
    await spoil(node, drift);
    const { env } = node.settings;
    const [nsenter = "", ...rest] = node.agentCommand([], "plan");
    const at = rest.indexOf("--") + 1;
    const traced = [
      nsenter,
      ...rest.slice(0, at),
      ...["strace", "-f", "-qq", "-s", "48", "-o", "/dev/stderr"],
      ...["-e", "trace=sendto,sendmsg,openat,unlink,rename,mkdir,symlink"],
      ...rest.slice(at),
    ];
    const { stdout, stderr } = await run(dieWithUs(traced), { env });
    assert.match(stdout, /^nft /m);
    const types = [...stderr.matchAll(/nlmsg_type=([^,}]+)/g)]
      .map(([, type = ""]) => type);
    assert.ok(types.length >= 5, stderr.slice(-2_000));
    const reading =
      /^(RTM_GET\w+|NFNL_SUBSYS_NFTABLES<<8\|NFT_MSG_GET\w+|nlctrl|wireguard|0x[0-9a-f]+)$/;
    assert.deepEqual(types.filter((type) => !reading.test(type)), []);
    const opened = stderr.split("\n").filter((line) =>
      /O_WRONLY|O_RDWR|O_CREAT/.test(line) && !/ENOENT|\/dev\/|memfd/.test(line)
    );
    assert.deepEqual(
      opened.filter((line) => /clusternet|\/proc\/sys/.test(line)),
      [],
    );
  },
);

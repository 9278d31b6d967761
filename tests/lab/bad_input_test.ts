import assert from "node:assert/strict";
import { dirname } from "node:path";
import { stateFileOf } from "../../mod/sys/state_file.ts";
import { EVENTS } from "../fakes/api_events.ts";
import { bringUp, labTest, patience } from "./harness.ts";
import { dataPlane, firstNode, ready, runAgent, sentences } from "./look.ts";
import type { Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";

interface Case {
  readonly what: string;
  /** They come after the good ones, and win. */
  readonly flags?: (node: LabNode) => readonly string[];
  /** Shell lines in the node, before and after. */
  readonly before?: (node: LabNode) => string;
  readonly after?: (node: LabNode) => string;
  /** Words in front of the agent's command, in the node. */
  readonly with?: readonly string[];
  readonly code: 1 | 2;
  readonly says: RegExp;
  /** The reason of the Event that is left about the Node; `undefined`: there is none. */
  readonly tells?: string;
  readonly only?: "kernel" | "userspace";
}

const USAGE: readonly Case[] = [
  {
    what: "an unknown flag",
    flags: () => ["--colour", "red"],
    code: 2,
    says: /--colour/,
  },
  { what: "a stray word", flags: () => ["now"], code: 2, says: /now/ },
  {
    what: "a bad CIDR",
    flags: () => ["--cluster-cidr", "10.0.0.0/33"],
    code: 2,
    says: /10\.0\.0\.0\/33/,
  },
  {
    what: "host bits",
    flags: () => ["--cluster-cidr", "10.0.0.1/16"],
    code: 2,
    says: /10\.0\.0\.0\/16/,
  },
  {
    what: "overlapping cluster CIDRs",
    flags: () => ["--cluster-cidr", "10.0.0.0/16,10.0.8.0/22"],
    code: 2,
    says: /overlap/,
  },
  {
    what: "a narrow cluster CIDR",
    flags: () => ["--cluster-cidr", "10.0.0.0/31"],
    code: 2,
    says: /narrow/,
  },
  {
    what: "a port",
    flags: () => ["--listen-port", "78380"],
    code: 2,
    says: /78380/,
  },
  {
    what: "a backend",
    flags: () => ["--backend", "boring"],
    code: 2,
    says: /boring/,
  },
  {
    what: "a URL",
    flags: () => ["--server", "somewhere"],
    code: 2,
    says: /somewhere/,
  },
  { what: "an MTU", flags: () => ["--mtu", "12"], code: 2, says: /12/ },
  {
    what: "a missing --config",
    flags: () => ["--config", "/nowhere.yaml"],
    code: 2,
    says: /\/nowhere\.yaml/,
  },
];

const CUT_OFF: readonly Case[] = [
  {
    what: "a cluster CIDR that holds the gateway",
    flags: () => ["--cluster-cidr", "192.168.0.0/16"],
    code: 1,
    says: /192\.168\.0\.0\/16.*192\.168\.78\.\d+/,
    tells: "ClusterCIDROverlap",
  },
  {
    what: "a cluster CIDR that holds a name server",
    before: () => "echo nameserver 10.0.0.2 > /etc/resolv.conf",
    after: () => "echo > /etc/resolv.conf",
    code: 1,
    says: /10\.0\.0\.2/,
    tells: "ClusterCIDROverlap",
  },
];

const KEY_FILES: readonly Case[] = [
  {
    what: "a key file that others read",
    before: ({ keyFile }) => `wg genkey > ${keyFile}; chmod 644 ${keyFile}`,
    after: ({ keyFile }) => `rm ${keyFile}`,
    code: 1,
    says: /private\.key.*(chmod|0600)/,
  },
  {
    what: "an empty key file",
    before: ({ keyFile }) => `umask 077; : > ${keyFile}`,
    after: ({ keyFile }) => `rm ${keyFile}`,
    code: 1,
    says: /private\.key/,
  },
  {
    what: "a key file of another shape",
    before: ({ keyFile }) => `umask 077; echo "not a key" > ${keyFile}`,
    after: ({ keyFile }) => `rm ${keyFile}`,
    code: 1,
    says: /private\.key/,
  },
  {
    what: "a key file that is a symbolic link",
    before: ({ keyFile }) =>
      `umask 077; wg genkey > ${keyFile}.real; ln -s ${keyFile}.real ${keyFile}`,
    after: ({ keyFile }) => `rm ${keyFile} ${keyFile}.real`,
    code: 1,
    says: /private\.key.*link/,
  },
];

const STATE_FILES: readonly Case[] = [
  {
    what: "a newer version's state file",
    before: (node) =>
      `echo '{"format":2,"writtenBy":"9.1.0"}' > ${stateFile(node)}`,
    after: (node) => `rm ${stateFile(node)}`,
    code: 1,
    says: /state\.json: clusternet 9\.1\.0 wrote it.*install 9\.1\.0/,
  },
  {
    what: "a state file cut short",
    before: (node) => `printf '{"format":1,"writ' > ${stateFile(node)}`,
    after: (node) => `rm ${stateFile(node)}`,
    code: 1,
    says: /state\.json: it is damaged/,
  },
  {
    what: "an empty state file",
    before: (node) => `: > ${stateFile(node)}`,
    after: (node) => `rm ${stateFile(node)}`,
    code: 1,
    says: /state\.json: it is empty/,
  },
  {
    what: "a state file that is a symbolic link",
    before: (node) => `ln -s /nowhere ${stateFile(node)}`,
    after: (node) => `rm ${stateFile(node)}`,
    code: 1,
    says: /state\.json: it is a symbolic link/,
  },
  {
    what: "a key by the state file's name",
    flags: (node) => ["--private-key-file", stateFile(node)],
    code: 2,
    says: /state\.json: choose another name/,
  },
];

const MACHINE: readonly Case[] = [
  {
    what: "a missing kubeconfig",
    flags: () => ["--kubeconfig", "/nowhere/kubeconfig"],
    code: 1,
    says: /\/nowhere\/kubeconfig/,
  },
  {
    what: "no permission",
    with: [
      "setpriv",
      "--bounding-set",
      "-net_admin",
      "--inh-caps",
      "-net_admin",
      "--",
    ],
    code: 1,
    says: /CAP_NET_ADMIN|permi/i,
    tells: "NotPermitted",
  },
  {
    what: "no WireGuard in the kernel",
    flags: () => ["--backend", "kernel", "--interface", "wg9"],
    only: "userspace",
    code: 1,
    says: /WireGuard/,
    tells: "NoWireGuard",
  },
  {
    what: "no WireGuard at all",
    flags: () => ["--backend", "auto", "--interface", "wg9"],
    only: "userspace",
    code: 1,
    says: /no WireGuard.*no userspace one/,
    tells: "NoWireGuard",
  },
  {
    what: "no userspace program",
    flags: () => ["--backend", "userspace", "--interface", "wg9"],
    code: 1,
    says: /wireguard-go/,
    tells: "NoUserspaceWireGuard",
  },
  {
    what: "a foreign link of our name",
    flags: () => ["--interface", "alien0"],
    before: () => "ip link add alien0 type bridge",
    after: () => "ip link del alien0",
    code: 1,
    says: /alien0/,
    tells: "ForeignLink",
  },
];

for (
  const [name, cases] of Object.entries({
    "the command line": USAGE,
    "a machine that would cut itself off": CUT_OFF,
    "the key file": KEY_FILES,
    "the state file": STATE_FILES,
    "the machine": MACHINE,
  })
) {
  labTest(`bad input is one sentence, and nothing is half-done: ${name}`, {
    nodes: 2,
  }, async (lab) => {
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    const [node] = lab.nodes;
    assert.ok(node !== undefined);
    for (const each of cases) {
      if (
        each.only !== undefined && each.only !== lab.settings.wireguard.backend
      ) continue;
      await refuses(lab, node, each);
    }
  });
}

labTest(
  "an API server older than supported is told, and all goes on; one that does not say is taken",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const before = await dataPlane(node);
    await node.stopAgent();
    const { apiUrl } = lab.settings;
    const sentence =
      `The API server ${apiUrl} is v1.29.15, and clusternet supports v1.30 and newer: `;
    await lab.api.request("PUT", "/fake/version", "v1.29.15");
    const { code, stderr } = await runAgent(
      node,
      node.agentCommand(["--once"]),
    );
    assert.equal(code, 1, stderr);
    const last = sentences(stderr).filter((one) => /^clusternet: /.test(one));
    assert.equal(last.length, 1, stderr);
    assert.ok(last[0]?.includes(sentence), stderr);
    node.startAgent();
    await node.agent?.line(/ Degraded: The API server .* is v1\.29\.15/);
    assert.equal(await dataPlane(node), before);
    await node.stopAgent();
    await lab.api.request("PUT", "/fake/version", null);
    node.startAgent();
    await ready(node);
  },
);

async function refuses(lab: Lab, node: LabNode, each: Case): Promise<void> {
  await node.space.sh(each.before?.(node) ?? "true");
  const before = await everything(lab, node);
  const begin = performance.now();
  const { code, stdout, stderr } = await runAgent(
    node,
    commandOf(node, each),
  );
  const took = performance.now() - begin;
  const said = `${each.what}: exit code ${code}\n${stdout}${stderr}`;
  assert.equal(code, each.code, said);
  const [sentence = "", ...more] = sentences(stderr);
  assert.match(sentence, /^clusternet: /, said);
  assert.match(sentence, each.says, said);
  assert.deepEqual(more, [], said);
  const tells = each.tells === undefined ? [] : [each.tells];
  assert.deepEqual(await eventsSaying(lab, sentence), tells, said);
  assert.equal(await everything(lab, node), before, `half-done: ${said}`);
  assert.ok(took < patience(5_000), `${took} ms: ${said}`);
  await node.space.sh(each.after?.(node) ?? "true");
}

/** Reasons of the Events with this sentence. */
async function eventsSaying(
  lab: Lab,
  sentence: string,
): Promise<readonly string[]> {
  const { items } = await lab.api.request("GET", EVENTS) as {
    readonly items: readonly {
      readonly note: string;
      readonly reason: string;
    }[];
  };
  return items.filter(({ note }) => sentence === `clusternet: ${note}`)
    .map(({ reason }) => reason);
}

function stateFile(node: LabNode): string {
  return stateFileOf(node.keyFile);
}

function commandOf(node: LabNode, each: Case): readonly string[] {
  const command = node.agentCommand(each.flags?.(node) ?? []);
  const inside = command.indexOf("--") + 1;
  return [
    ...command.slice(0, inside),
    ...each.with ?? [],
    ...command.slice(inside),
  ];
}

/** All that an agent could have touched, key file and Node included. */
async function everything(lab: Lab, node: LabNode): Promise<string> {
  const machine = await node.space.sh(`
ip -d -o link show | sed 's/ promiscuity.*//'
ip -o address show | sed 's/valid_lft.*//'
ip route show table all
ip -6 route show table all
cat /proc/sys/net/ipv4/ip_forward
find ${node.keyFile} ${node.conflistFile} /run/clusternet-cni 2>/dev/null || true
find ${dirname(node.keyFile)} | sort
cat ${node.keyFile} ${stateFile(node)} 2>/dev/null || true`);
  const { metadata } = await lab.api.node(node.name);
  return `${machine}${JSON.stringify(metadata)}`;
}

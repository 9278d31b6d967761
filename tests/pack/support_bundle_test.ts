/**
 * `clusternet support-bundle` in the agent's pod, as most people run it: the
 * image has no other program, the pod no right but CAP_NET_ADMIN.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { must, run } from "../lab/exec.ts";
import { addPods, settled } from "../lab/harness.ts";
import { type LabNode, LINK } from "../lab/node.ts";
import { SERVICE_ACCOUNT_DIR } from "../lab/service_account.ts";
import type { Container } from "./container.ts";
import {
  assertPings,
  byRunc,
  imageTest,
  inSync,
  other,
  type Scene,
} from "./image_scene.ts";
import { agentPod, withRoom } from "./pod.ts";
import { runcExecCommand } from "./runc.ts";

/** In a configuration beside ours. */
const CNI_SECRET = "cni-0123456789abcdef";

/** Of the kernel's settings: what addresses and cookies are made from. */
const STABLE_SECRET = "2001:db8::5ec2:e7";
const FASTOPEN_KEY = "01234567-89abcdef-01234567-89abcdef";

/** What really cannot be had in a pod, and why. */
const AWAY: Readonly<Record<string, RegExp>> = {
  "system/os-release.txt": /^there is no \/etc\/os-release here.*node\.json/,
  "agent/journal.txt": /^there is no journalctl here.*kubectl logs/,
  "agent/unit.txt": /^there is no systemctl here.*DaemonSet/,
};

/** What a node may have beside ours. */
const BESIDE = `
ip rule add from 198.51.100.7 prio 4000 prohibit
ip route add blackhole 198.51.100.0/24 metric 77
nft add table inet foreign
nft 'add chain inet foreign f { type filter hook forward priority 5; policy drop; }'
sysctl -qw net.ipv6.conf.${LINK}.stable_secret=${STABLE_SECRET}
sysctl -qw net.ipv4.tcp_fastopen_key=${FASTOPEN_KEY}`;

imageTest(
  "support-bundle in the agent's image holds what is on that node and no secret of it, and says what cannot be had there and why",
  async (scene) => {
    const { lab, first } = scene;
    await using one = byRunc(scene, first).run(withRoom(agentPod(first)));
    await using two = byRunc(scene, other(scene)).run(agentPod(other(scene)));
    await Promise.all([inSync(one), inSync(two)]);
    await settled(lab);
    await addPods(lab, 1);
    await assertPings(lab);
    const netDir = first.conflistFile.replace(/\/[^/]+$/, "");
    const beside = JSON.stringify({ name: "other", api_token: CNI_SECRET });
    await first.space.sh(
      `echo '${beside}' > ${netDir}/90-other.conflist${BESIDE}`,
    );
    const pieces = await bundleOf(one, scene);
    tellsWhatIsAway(pieces);
    await holdsTheNetwork(pieces, scene);
    holdsTheMachine(pieces, first);
    const { findings } = JSON.parse(textIn(pieces, "doctor.json"));
    assert.deepEqual(
      findings.map(({ code }: { code: string }) => code),
      ["forward-chain"],
    );
    const all = [...pieces.values()].join("\n");
    const secrets = {
      CNI_SECRET,
      STABLE_SECRET,
      FASTOPEN_KEY,
      key: await first.space.must(["cat", first.keyFile]),
      token: await first.space.must(["cat", `${SERVICE_ACCOUNT_DIR}/token`]),
    };
    for (const [what, secret] of Object.entries(secrets)) {
      for (const spelling of [secret.trim(), btoa(secret.trim())]) {
        assert.ok(spelling.length > 15, `${what} is there`);
        assert.ok(!all.includes(spelling.replace(/=+$/, "")), what);
      }
    }
  },
  ["buildah", "runc", "openssl"],
);

type Pieces = ReadonlyMap<string, string>;

function textIn(pieces: Pieces, name: string): string {
  const text = pieces.get(name);
  assert.ok(text !== undefined, `${name} is not among ${[...pieces.keys()]}`);
  return text;
}

function tellsWhatIsAway(pieces: Pieces): void {
  for (const [name, text] of pieces) {
    // A kernel may have none, in a pod or not.
    if (name === "system/modules.txt" && !isThere("/proc/modules")) continue;
    const [, why] = /^\(not to be had: (.*)\)$/m.exec(text) ?? [];
    const reason = AWAY[name];
    if (reason === undefined) assert.equal(why, undefined, name);
    else assert.match(why ?? "", reason, name);
  }
  for (const name of Object.keys(AWAY)) textIn(pieces, name);
}

/** As the node's own programs show it. */
async function holdsTheNetwork(
  pieces: Pieces,
  { first }: Scene,
): Promise<void> {
  const says = (name: string, ...lines: readonly string[]): void => {
    const text = textIn(pieces, `network/${name}`);
    for (const line of lines) {
      assert.match(text, new RegExp(`^${line}$`, "m"), `${name}: ${line}`);
    }
  };
  const { space } = first;
  const [{ addr_info, mtu }] = JSON.parse(
    await space.must(["ip", "-j", "address", "show", "dev", LINK]),
  );
  says("links.txt", `\\d+: ${LINK}: up mtu ${mtu} kind (wireguard|tun) .*`);
  says("addresses.txt", "lo: inet 127\\.0\\.0\\.1/8 scope host");
  let found = 0;
  for (const { family, local, prefixlen, scope } of addr_info) {
    if (scope !== "global") continue;
    const address = `${family} ${literal(`${local}/${prefixlen}`)}`;
    says("addresses.txt", `${LINK}: ${address} scope global.*`);
    found++;
  }
  assert.equal(found, 2, "one address of each family");
  for (const cidr of first.settings.plan.clusterCidrs) {
    says(
      `routes-${cidr.includes(":") ? 6 : 4}.txt`,
      `${literal(cidr)} dev ${LINK} proto 78 .*`,
      `unreachable ${literal(cidr)} .*proto 78 metric 4294967295`,
    );
  }
  says(
    "routes-4.txt",
    "blackhole 198\\.51\\.100\\.0/24 proto boot metric 77",
    "default via \\S+ dev \\S+ .*",
    "local 127\\.0\\.0\\.0/8 dev lo table local proto kernel scope host .*",
  );
  says("rules.txt", "4000:\tfrom 198\\.51\\.100\\.7 prohibit");
  const [peer = ""] = await first.peers();
  assert.notEqual(peer, "");
  const [, , endpoint = ""] = /^(\S+)\t(\S+)$/m.exec(
    await space.must(["wg", "show", LINK, "endpoints"]),
  ) ?? [];
  const publicKey = await space.must(["wg", "show", LINK, "public-key"]);
  says(
    "wireguard.txt",
    ` {2}public key: ${literal(publicKey.trim())}`,
    " {2}listening port: 7838",
    `peer: ${literal(peer)}`,
    ` {2}endpoint: ${literal(endpoint)}`,
    " {2}allowed ips: .*/24.*",
    " {2}latest handshake: 20\\S+Z, .* ago",
    " {2}transfer: [1-9]\\d* B received, [1-9]\\d* B sent",
  );
  says(
    "nftables.txt",
    "chain inet foreign f \\{ type filter hook forward priority 5; policy drop; \\}",
    "chain inet foreign f",
    `table inet ${LINK} \\{`,
    ".*masquerade fully-random comment .*",
  );
  says("sockets.txt", "udp .*:7838 uid 0 .*");
  says(
    "sysctl.txt",
    "net\\.ipv4\\.ip_forward = 1",
    `net\\.ipv4\\.conf\\.${LINK}\\.forwarding = 1`,
    "net\\.ipv6\\.conf\\.all\\.forwarding = 1",
  );
}

function holdsTheMachine(pieces: Pieces, node: LabNode): void {
  const text = (name: string): string => textIn(pieces, name);
  assert.match(text("version.txt"), /^clusternet \d/);
  assert.match(text("cni/files.txt"), /^[l-]rw.* \d+ 20\S+Z \/etc\/cni\/net/m);
  assert.match(text("cni/configurations.txt"), /"type": ?"host-local"/);
  assert.match(text("cni/configurations.txt"), /90-other\.conflist <==$/m);
  assert.match(
    text("system/uname.txt"),
    /^Linux \S+ \d+\.\d+.* (x86_64|aarch64)$/m,
  );
  assert.match(text("system/mounts.txt"), / \/host\/proc\/sys\/net proc /);
  assert.match(text("system/limits.txt"), /^Max open files/m);
  assert.match(text("system/memory.txt"), /^MemTotal:/m);
  assert.equal(JSON.parse(text("system/node.json")).name, node.name);
  assert.equal(JSON.parse(text("status.json")).node.name, node.name);
  assert.match(text("plan.txt"), new RegExp(`Node ${node.name} at `));
  const { nodes, publicKey } = JSON.parse(text("snapshot.json"));
  assert.match(publicKey, /=$/);
  assert.equal(nodes.length, 2);
}

/** By name, without the folder that all are in. */
async function bundleOf(
  container: Container,
  { folder }: Scene,
): Promise<Pieces> {
  const file = join(folder, "bundle.tar.gz");
  const { code, stderr } = await run([
    ...["sh", "-c", 'to=$1; shift; exec "$@" > "$to"', "sh", file],
    ...await runcExecCommand(
      container,
      ["/usr/bin/clusternet", "support-bundle", "-o", "-"],
      folder,
    ),
  ]);
  assert.equal(code, 0, stderr);
  const unpacked = join(folder, "bundle");
  await Deno.mkdir(unpacked);
  const strip = "--strip-components=1";
  await must(["tar", "-xzf", file, "-C", unpacked, strip]);
  const paths = (await must(["find", unpacked, "-type", "f"])).trim();
  return new Map(
    paths.split("\n").map((path) => [
      path.slice(unpacked.length + 1),
      Deno.readTextFileSync(path),
    ]),
  );
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function literal(text: string): string {
  return text.replaceAll(/[.+[\]]/g, "\\$&");
}

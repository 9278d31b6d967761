/**
 * `clusternet uninstall --purge` in namespaces of its own: link, routes, table,
 * files are really there and really go; what is not ours stays.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { NETWORK_IS_UP } from "../../mod/core/node_condition.ts";
import { Child, type RunResult } from "../lab/exec.ts";
import { Space } from "../lab/space.ts";
import { skipped } from "../support/skip.ts";
import { CLUSTERNET } from "./install_tree.ts";

const NAME = "uninstall --purge in a namespace";

const ignore = skipped(NAME, {
  root: true,
  commands: ["unshare", "nsenter", "ip", "nft"],
  files: ["/dev/net/tun"],
});

const ANNOTATION = "clusternet.dev/wg-pubkey";
const READY = { type: "Ready", status: "True" };

/** Everything that is written to is on tmpfs; nothing of the machine is seen there. */
const PRIVATE = ["/run", "/etc", "/var/lib"];

/** What an agent leaves, with a link that any kernel has. */
const REMAINS = `
ip tuntap add mode tun clusternet
ip link set clusternet alias clusternet up
ip route add 10.0.0.0/16 dev clusternet proto 78
ip route add unreachable 10.0.0.0/16 metric 4294967295 proto 78
ip -6 route add fd00::/48 dev clusternet metric 1024 proto 78
ip -6 route add unreachable fd00::/48 metric 4294967295 proto 78
nft add table inet clusternet
nft add chain inet clusternet guard '{ type filter hook postrouting priority 0; }'
mkdir -p /run/clusternet-cni/leases /run/clusternet /etc/cni/net.d/.clusternet
mkdir -p /var/lib/clusternet/runtime/0123
echo '{}' > /run/clusternet-cni/10-clusternet.conflist
ln -s /run/clusternet-cni/10-clusternet.conflist /etc/cni/net.d/
echo key > /var/lib/clusternet/private.key
echo '{}' > /var/lib/clusternet/state.json
echo deno > /var/lib/clusternet/runtime/0123/deno
`;

/** What is not ours, however much it looks like it. */
const FOREIGN = `
ip link add eth0 type veth peer name eth1
ip link set eth0 up
ip route add 192.0.2.0/24 dev eth0
ip route add 198.51.100.0/24 dev eth0 proto 78
ip route add unreachable 203.0.113.0/24 proto 186
nft add table inet other
nft add table ip clusternet
mkdir -p /etc/cni/net.d
echo '{"name":"other"}' > /etc/cni/net.d/05-other.conflist
`;

const PATHS = `find /run/clusternet* /etc/cni /var/lib/clusternet | sort`;

const LOOK = `
ip -o link show | grep -v -e ' lo:' -e 'link/none' | cut -d: -f2; ip -o link show clusternet | cut -d: -f2 || :
ip route; ip -6 route show table main | grep -v fe80 || :
nft list tables
${PATHS.replace("find", "find -P")} 2>/dev/null || :
`;

async function inSpace(
  setup: string,
  work: (space: Space) => Promise<void>,
): Promise<void> {
  const mounts = PRIVATE.map((path) => `mount -t tmpfs tmpfs ${path}`)
    .join("\n");
  const space = await Space.make("purge", {
    setup: `${mounts}\nip link set lo up\n${setup}`,
    env: {},
  });
  try {
    await work(space);
  } finally {
    await space.end();
  }
}

function clusternet(
  space: Space,
  ...args: readonly string[]
): Promise<RunResult> {
  return space.run([...CLUSTERNET, ...args]);
}

const STEPS = [
  "rm /etc/cni/net.d/10-clusternet.conflist",
  "ip route del 10.0.0.0/16 dev clusternet proto 78",
  "ip -6 route del fd00::/48 dev clusternet proto 78 metric 1024",
  "ip link del clusternet",
  "ip route del unreachable 10.0.0.0/16 proto 78 metric 4294967295",
  "ip -6 route del unreachable fd00::/48 proto 78 metric 4294967295",
  "nft delete table inet clusternet",
  "rm -r /etc/cni/net.d/.clusternet",
  "rm -r /run/clusternet-cni",
  "rm -r /run/clusternet",
  "rm /var/lib/clusternet/private.key",
  "rm /var/lib/clusternet/state.json",
  "rm -r /var/lib/clusternet/runtime",
  "rmdir /var/lib/clusternet",
];

Deno.test({
  name:
    "purge removes all that an agent left, step by step as the dry run says",
  ignore,
  fn: () =>
    inSpace(FOREIGN, async (space) => {
      const before = await space.sh(LOOK);
      await space.sh(REMAINS);
      const between = await space.sh(LOOK);
      const steps = (text: string): readonly string[] =>
        text.split("\n").filter((line) => /^(ip|nft|rm|rmdir) /.test(line));
      const dry = await clusternet(space, "uninstall", "--purge", "--dry-run");
      assert.equal(dry.code, 0, dry.stderr);
      assert.deepEqual(steps(dry.stdout), STEPS);
      assert.equal(await space.sh(LOOK), between);
      const { code, stdout, stderr } = await clusternet(
        space,
        ...["uninstall", "--purge", "--yes"],
      );
      assert.equal(code, 0, stderr);
      assert.deepEqual(steps(stdout), STEPS);
      assert.match(
        stdout,
        /^The route 198\.51\.100\.0\/24 dev eth0 proto 78 stays: /m,
      );
      assert.match(
        stdout,
        /kubectl annotate node \S+ clusternet\.dev\/wg-pubkey-/,
      );
      assert.equal(await space.sh(LOOK), before);
    }),
});

Deno.test({
  name:
    "uninstall takes back what the Node says of its network, purge its key too",
  ignore,
  fn: () =>
    inSpace(REMAINS, async (space) => {
      const port = 6443;
      const api = new Child(
        "the API server",
        space.command([
          ...[Deno.execPath(), "run", "--allow-all", "--cached-only"],
          fileURLToPath(
            new URL("../fakes/api_server_main.ts", import.meta.url),
          ),
          ...["--listen", `127.0.0.1:${port}`],
        ]),
        {},
      );
      try {
        await api.line(/^ready/, { withinMs: 20_000 });
        const server = `http://127.0.0.1:${port}`;
        const own = {
          metadata: { name: "n1", annotations: { [ANNOTATION]: "K=", a: "b" } },
          status: {
            conditions: [READY, {
              type: "NetworkUnavailable",
              ...NETWORK_IS_UP,
            }],
          },
        };
        const put = `POST ${server}/api/v1/nodes ${JSON.stringify(own)}`;
        await request(space, put);
        await space.sh(`mkdir -p /etc/clusternet
cat > /etc/clusternet/clusternet.env <<END
CLUSTERNET_SERVER=${server}
CLUSTERNET_NODE_NAME=n1
END`);
        const dry = await clusternet(
          space,
          "uninstall",
          "--purge",
          "--dry-run",
        );
        assert.match(
          dry.stdout,
          /^kubectl patch node n1 .*"\$patch":"delete"/m,
        );
        assert.match(dry.stdout, /^kubectl annotate node n1 /m);
        const read = `GET ${server}/api/v1/nodes/n1`;
        assert.match(await request(space, read), /ClusternetIsUp.*/);
        const purge = ["uninstall", "--purge", "--yes"];
        const { code, stdout, stderr } = await clusternet(space, ...purge);
        assert.equal(code, 0, stderr);
        assert.doesNotMatch(stdout, /Other nodes keep/);
        const { metadata, status } = JSON.parse(await request(space, read));
        assert.deepEqual(metadata.annotations, { a: "b" });
        assert.deepEqual(status.conditions, [READY]);
      } finally {
        await api.stop("SIGTERM");
      }
    }),
});

/** "METHOD URL [BODY]" from within; the answer's body. */
async function request(space: Space, line: string): Promise<string> {
  const program = `const [method, url, ...body] = Deno.args[0].split(" ");
const text = body.join(" ");
const answer = await fetch(url, text ? { method, body: text } : { method });
console.log(await answer.text());`;
  return await space.must([
    ...[Deno.execPath(), "eval", "--quiet", program, line],
  ]);
}

Deno.test({
  name: "purge asks on a terminal, and does nothing unless the answer is y",
  ignore: ignore || skipped(NAME, { commands: ["script"] }),
  fn: () =>
    inSpace(REMAINS, async (space) => {
      const line = [...CLUSTERNET, "uninstall", "--purge"].join(" ");
      const ask = (answer: string): Promise<RunResult> =>
        space.run(["script", "-qec", line, "/dev/null"], { input: answer });
      const before = await space.sh(LOOK);
      for (const answer of ["n\n", "\n"]) {
        const { code, stdout } = await ask(answer);
        assert.equal(code, 1, stdout);
        for (const step of STEPS) assert(stdout.includes(step), step);
        assert.match(stdout, /\[y\/N\]/);
        assert.equal(await space.sh(LOOK), before);
      }
      const { code, stdout } = await ask("y\n");
      assert.equal(code, 0, stdout);
      assert.doesNotMatch(await space.sh(LOOK), /10\.0\.0\.0|private\.key/);
    }),
});

Deno.test({
  name:
    "a link, a conflist and a directory that are somebody else's stay, by name",
  ignore,
  fn: () =>
    inSpace(
      `ip link add clusternet type veth peer name other
       ip route add 10.0.0.0/16 dev clusternet proto 78 2>/dev/null || :
       mkdir -p /etc/cni/net.d /var/lib/clusternet
       echo '{}' > /etc/cni/net.d/10-clusternet.conflist
       echo mine > /var/lib/clusternet/notes`,
      async (space) => {
        const before = await space.sh(LOOK);
        const { code, stdout, stderr } = await clusternet(
          space,
          ...["uninstall", "--purge", "--yes"],
        );
        assert.equal(code, 0, stderr);
        assert.match(
          stdout,
          /^The link clusternet stays: it is of kind veth/m,
        );
        assert.match(
          stdout,
          /^\/etc\/cni\/net\.d\/10-clusternet\.conflist stays/m,
        );
        assert.equal(await space.sh(LOOK), before);
      },
    ),
});

Deno.test({
  name: "purge is refused while an agent runs that no service stops",
  ignore: ignore || skipped(NAME, { commands: ["flock"] }),
  fn: () =>
    inSpace(REMAINS, async (space) => {
      const holder = await space.sh(
        `(exec 9> /run/clusternet/clusternet.lock; flock 9; exec sleep 60) \
           > /dev/null 2>&1 & echo $!; sleep 0.2`,
      );
      const before = await space.sh(LOOK);
      const { code, stdout, stderr } = await clusternet(
        space,
        ...["uninstall", "--purge", "--yes"],
      );
      await space.sh(`kill ${holder}`);
      assert.equal(code, 1);
      assert.equal(stdout, "");
      assert.match(
        stderr,
        /^clusternet: Cannot manage link clusternet: another agent does[^\n]*\n$/,
      );
      assert.equal(await space.sh(LOOK), before);
    }),
});

Deno.test({
  name: "purge reads from the file of variables what the agent's names were",
  ignore,
  fn: () =>
    inSpace(
      REMAINS.replaceAll(" clusternet alias", " wg7 alias")
        .replaceAll("mode tun clusternet", "mode tun wg7")
        .replaceAll("dev clusternet", "dev wg7"),
      async (space) => {
        await space.sh(
          "mkdir -p /etc/clusternet; echo CLUSTERNET_INTERFACE=wg7 > /etc/clusternet/clusternet.env",
        );
        const { code, stderr } = await clusternet(
          space,
          ...["uninstall", "--purge", "--yes"],
        );
        assert.equal(code, 0, stderr);
        assert.doesNotMatch(
          await space.sh("ip link; ip route"),
          /wg7|10\.0\.0\.0/,
        );
      },
    ),
});

/**
 * Ways to break a node of a lab for real, each with the check that has to find
 * it and the way back.
 *
 * @module
 */

import { agentIsWell } from "./doctor.ts";
import type { Lab } from "./lab.ts";
import { type LabNode, LINK } from "./node.ts";

export interface Scene {
  readonly lab: Lab;
  /** The one that is broken and examined. */
  readonly node: LabNode;
  readonly other: LabNode;
}

export interface Break {
  /** Of the check. */
  readonly code: string;
  /** What the sentence of the finding has to say. */
  readonly says: RegExp;
  /** What the cure has to say. */
  readonly cures?: RegExp;
  /** Shell lines in the node, or a deed. */
  readonly breaks?: string | ((scene: Scene) => Promise<unknown>);
  readonly mends?: string | ((scene: Scene) => Promise<unknown>);
  /** Of `doctor`: what it is told wrongly. */
  readonly flags?: readonly string[];
}

const OTHER_CONFLIST = JSON.stringify({
  cniVersion: "0.3.1",
  name: "old",
  plugins: [{ type: "flannel" }],
});

/** A Node by hand, past the fake server's own rules. */
function node(
  name: string,
  { address, podCidrs = [] }: {
    readonly address?: string;
    readonly podCidrs?: readonly string[];
  },
): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      uid: name,
      creationTimestamp: "2026-01-01T00:00:00Z",
      annotations: {
        "clusternet.dev/wg-pubkey": new Uint8Array(32).fill(7).toBase64(),
      },
    },
    spec: { podCIDRs: podCidrs },
    status: {
      addresses: address === undefined ? [] : [{ type: "InternalIP", address }],
    },
  });
}

function extraNode(text: string): Pick<Break, "breaks" | "mends"> {
  return {
    breaks: ({ lab }) => lab.api.putRaw("x", text),
    mends: ({ lab }) => lab.api.removeRaw("x"),
  };
}

/** A Node of another name, as which the node is examined. */
function asNode(text: string): Pick<Break, "breaks" | "mends" | "flags"> {
  return { ...extraNode(text), flags: ["--node-name", "x"] };
}

/** Deleted behind the kubelet's back, and there again as it was. */
function withoutItsNode(): Pick<Break, "breaks" | "mends"> {
  let text = "";
  return {
    breaks: async ({ lab, node }) => {
      text = JSON.stringify(await lab.api.node(node.name));
      await lab.api.removeRaw(node.name);
      await agentIsWell(node, false);
    },
    mends: async ({ lab, node }) => {
      await lab.api.putRaw(node.name, text);
      await agentIsWell(node);
    },
  };
}

/** A process that looks like one of Kubernetes', with these flags. */
function program(
  name: string,
  ...flags: readonly string[]
): Pick<Break, "breaks" | "mends"> {
  const at = `/run/clusternet-cni/${name}`;
  return {
    breaks: `ln -sf /bin/sh ${at}
mkfifo ${at}.wait
${at} -c 'exec 3<> ${at}.wait; read word <&3; :' x ${
      flags.join(" ")
    } > /dev/null 2>&1 &
echo $! > ${at}.pid
until tr '\\0' ' ' < /proc/$!/cmdline | grep -q ${at}.*-c; do sleep 0.02; done`,
    mends: `kill $(cat ${at}.pid); rm ${at} ${at}.*`,
  };
}

const sysctl = (name: string, value: string): string =>
  `echo ${value} > /proc/sys/net/${name}`;

/** While the agent runs: what it cannot mend, or what is none of its business. */
export const BREAKS_BESIDE_AGENT: readonly Break[] = [
  {
    code: "rule-overrides",
    says: /to table 100 before table main/,
    breaks: "ip rule add priority 100 table 100",
    mends: "ip rule del priority 100",
  },
  {
    code: "route-foreign",
    says: /takes 10\.0\.99\.0\/24 past the tunnel, by eth0/,
    cures: /ip route del 10\.0\.99\.0\/24 dev eth0/,
    breaks: "ip route add 10.0.99.0/24 dev eth0",
    mends: "ip route del 10.0.99.0/24 dev eth0",
  },
  {
    code: "link-forwarding",
    says: /clusternet does not forward/,
    breaks: sysctl(`ipv4/conf/${LINK}/forwarding`, "0"),
    mends: sysctl(`ipv4/conf/${LINK}/forwarding`, "1"),
  },
  {
    code: "rp-filter",
    says: /rp_filter is strict on clusternet/,
    breaks: sysctl(`ipv4/conf/${LINK}/rp_filter`, "1"),
    mends: sysctl(`ipv4/conf/${LINK}/rp_filter`, "0"),
  },
  {
    code: "forward-chain",
    says: /chain inet filter forward drops/,
    breaks:
      "nft add table inet filter; nft 'add chain inet filter forward { type filter hook forward priority 0; policy drop; }'",
    mends: "nft delete table inet filter",
  },
  {
    code: "forward-chain",
    says: /chain ip6 other out drops/,
    breaks:
      "nft add table ip6 other; nft 'add chain ip6 other out { type filter hook forward priority 10; policy drop; }'",
    mends: "nft delete table ip6 other",
  },
  {
    code: "forward-drop",
    says: /drops what is forwarded .*10\.0\.\d+\.0\/24/,
    breaks:
      "iptables-nft -I FORWARD -j ACCEPT; iptables-nft -P FORWARD DROP; iptables-nft -F FORWARD",
    mends: "iptables-nft -P FORWARD ACCEPT; nft delete table ip filter",
  },
  {
    code: "other-plugin-links",
    says: /flannel\.1/,
    cures: /ip link del flannel\.1/,
    breaks: "ip link add flannel.1 type bridge",
    mends: "ip link del flannel.1",
  },
  {
    code: "leases-exhausted",
    says: /\d+ of 253 addresses for pods are taken/,
    breaks:
      "i=0; while [ $i -lt 252 ]; do i=$((i+1)); : > /run/clusternet-cni/leases/k8s-pod-network/10.0.250.$i; done",
    mends: "rm /run/clusternet-cni/leases/k8s-pod-network/10.0.250.*",
  },
  {
    code: "cni-plugins",
    says: /Cannot find the CNI plugins ptp, host-local, portmap/,
    flags: ["--cni-bin-dir", "/nowhere"],
  },
  {
    code: "pod-mtu",
    says: /1 pods have a larger MTU than the link \(1500/,
    breaks:
      "ip -o link show type veth | grep -v ': eth0' | sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/' | while read l; do ip link set $l mtu 1500; done",
    mends:
      "ip -o link show type veth | grep -v ': eth0' | sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/' | while read l; do ip link set $l mtu 1440; done",
  },
  {
    code: "ipv6-disabled",
    says: /IPv6 is off \(net\.ipv6\.conf\.all\.disable_ipv6/,
    flags: ["--cluster-cidr", "10.0.0.0/16,fd00:10::/56"],
    breaks: sysctl("ipv6/conf/all/disable_ipv6", "1"),
    mends: sysctl("ipv6/conf/all/disable_ipv6", "0"),
  },
  {
    code: "agent-files",
    says: /The agent has \d+ of \d+ files open/,
    // The fewest of a second: in a turn of its own it has some more.
    breaks: `pid=$(cat /run/clusternet/${LINK}.lock)
grep 'Max open files' /proc/$pid/limits | sed 's/  */ /g' | cut -d' ' -f4 > /run/clusternet-cni/nofile
open=$(for i in 1 2 3 4 5 6 7 8 9 10; do ls /proc/$pid/fd | wc -l; sleep 0.1; done | sort -n | head -1)
prlimit --pid $pid --nofile=$((open + 1)):`,
    mends:
      `prlimit --pid $(cat /run/clusternet/${LINK}.lock) --nofile=$(cat /run/clusternet-cni/nofile):`,
  },
  {
    code: "key-file",
    says: /Others may read the private key/,
    cures: /chmod 600/,
    breaks: ({ node }) => node.space.sh(`chmod 644 ${node.keyFile}`),
    mends: ({ node }) => node.space.sh(`chmod 600 ${node.keyFile}`),
  },
  {
    code: "state-disk",
    says: /is read-only/,
    breaks: ({ node }) => {
      const directory = folder(node.keyFile);
      return node.space.sh(
        `mount --bind ${directory} ${directory}; mount -o remount,bind,ro ${directory}`,
      );
    },
    mends: ({ node }) => node.space.sh(`umount ${folder(node.keyFile)}`),
  },
  {
    code: "state-disk",
    says: /The disk of \/run\/clusternet-cni\/full is full \(\d+ KiB left\)/,
    flags: ["--private-key-file", "/run/clusternet-cni/full/private.key"],
    breaks:
      "mkdir /run/clusternet-cni/full; mount -t tmpfs -o size=512k tmpfs /run/clusternet-cni/full",
    mends: "umount /run/clusternet-cni/full; rmdir /run/clusternet-cni/full",
  },
  {
    code: "api-unreachable",
    says: /Cannot reach the API server/,
    flags: ["--server", "http://192.168.78.1:9999"],
  },
  {
    code: "api-slow",
    says: /The API server takes \d\.\d s for a small answer/,
    breaks: ({ lab }) => lab.api.request("PUT", "/fake/slow", 2_500),
    mends: ({ lab }) => lab.api.request("PUT", "/fake/slow", 0),
  },
  {
    code: "api-name",
    says: /name no-such\.invalid cannot be resolved/,
    flags: ["--server", "http://no-such.invalid:6443"],
  },
  {
    code: "clock",
    says: /This clock is \d+ s behind the API server's/,
    breaks: ({ lab }) => lab.api.request("PUT", "/fake/ahead", 120),
    mends: ({ lab }) => lab.api.request("PUT", "/fake/ahead", 0),
  },
  {
    code: "rbac",
    says: /may not patch nodes\/status/,
    breaks: ({ lab }) =>
      lab.api.request("PUT", "/fake/denied", ["patch nodes/status"]),
    mends: ({ lab }) => lab.api.request("PUT", "/fake/denied", []),
  },
  {
    code: "agent-unhealthy",
    says: /The agent says: There is no Node n1/,
    ...withoutItsNode(),
  },
  {
    code: "node-missing",
    says: /There is no Node nobody/,
    flags: ["--node-name", "nobody"],
  },
  {
    code: "node-address",
    says: /InternalIP 203\.0\.113\.9 of Node x is no address of this machine/,
    ...asNode(node("x", { address: "203.0.113.9" })),
  },
  {
    code: "ipam-off",
    says: /Node x has no podCIDRs/,
    cures: /--allocate-node-cidrs/,
    ...asNode(node("x", { address: "203.0.113.9" })),
  },
  {
    code: "pod-cidr-outside",
    says: /1 podCIDRs are no part of the cluster CIDR .*x 172\.20\.0\.0\/24/,
    ...extraNode(
      node("x", { address: "203.0.113.9", podCidrs: ["172.20.0.0/24"] }),
    ),
  },
  {
    code: "nodes-unused",
    says: /Node x is not wholly used/,
    ...extraNode(
      node("x", { address: "203.0.113.9", podCidrs: ["172.20.0.0/24"] }),
    ),
  },
  {
    code: "duplicate-claims",
    says: /claims? /,
    breaks: async ({ lab, other }) => {
      const podCidrs = [...other.plan.podCidrs];
      const address = "203.0.113.9";
      await lab.api.putRaw("x", node("x", { address, podCidrs }));
    },
    mends: ({ lab }) => lab.api.removeRaw("x"),
  },
  {
    code: "cidr-nodes",
    says: /holds the InternalIP of a Node \(x 10\.0\.77\.1\)/,
    ...extraNode(
      node("x", { address: "10.0.77.1", podCidrs: ["10.0.200.0/24"] }),
    ),
  },
  {
    code: "cidr-underlay",
    says: /Cannot use cluster CIDR 192\.168\.0\.0\/16/,
    flags: ["--cluster-cidr", "192.168.0.0/16"],
  },
  {
    code: "cidr-services",
    says: /Services' range 10\.0\.64\.0\/20 overlaps the cluster CIDR/,
    ...program("kube-apiserver", "--service-cluster-ip-range=10.0.64.0/20"),
  },
  {
    code: "apiserver-address-types",
    says: /asks kubelets by Hostname and not by InternalIP/,
    ...program("kube-apiserver", "--kubelet-preferred-address-types=Hostname"),
  },
  {
    code: "cidr-controller",
    says: /kube-controller-manager gives podCIDRs from 10\.244\.0\.0\/16/,
    ...program("kube-controller-manager", "--cluster-cidr=10.244.0.0/16"),
  },
  {
    code: "kube-proxy-cidr",
    says: /kube-proxy takes 10\.244\.0\.0\/16 for the pods' range/,
    ...program("kube-proxy", "--cluster-cidr=10.244.0.0/16"),
  },
  {
    code: "other-plugin-conf",
    says: /05-old\.conflist comes before .* with the network "old" \(flannel\)/,
    breaks: ({ node }) =>
      node.space.sh(
        `echo '${OTHER_CONFLIST}' > ${
          folder(node.conflistFile)
        }/05-old.conflist`,
      ),
    mends: ({ node }) =>
      node.space.sh(`rm ${folder(node.conflistFile)}/05-old.conflist`),
  },
];

/** With the agent stopped, as it mends these within a second. In this order. */
export const BREAKS_WITHOUT_AGENT: readonly Break[] = [
  { code: "agent-not-running", says: /No agent runs for the link clusternet/ },
  {
    code: "link-address",
    says: /an address that is not ours/,
    breaks: `ip address add 10.9.9.9/32 dev ${LINK}`,
    mends: `ip address del 10.9.9.9/32 dev ${LINK}`,
  },
  {
    code: "link-mtu",
    says: /MTU is 1300, and should be 1440/,
    breaks: `ip link set ${LINK} mtu 1300`,
    mends: `ip link set ${LINK} mtu 1440`,
  },
  {
    code: "listen-port",
    says: /listens on UDP 7900, peers send to 7838/,
    breaks: `wg set ${LINK} listen-port 7900`,
    mends: `wg set ${LINK} listen-port 7838`,
  },
  {
    code: "port-in-use",
    says: /UDP 7838, the port of the tunnels, is held by deno/,
    breaks: `wg set ${LINK} listen-port 7900
${Deno.execPath()} eval --unstable-net 'const c = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 7838 }); console.log("there"); await c.receive();' > /run/clusternet-cni/holder 2>&1 &
echo $! > /run/clusternet-cni/holder.pid
until grep -q there /run/clusternet-cni/holder; do sleep 0.05; done`,
    mends: `kill $(cat /run/clusternet-cni/holder.pid)
i=0; until wg set ${LINK} listen-port 7838 2> /dev/null; do
  i=$((i+1)); [ $i -lt 100 ]; sleep 0.05
done`,
  },
  {
    code: "forwarding-off",
    says: /net\.ipv4\.ip_forward is 0, and should be 1/,
    breaks: sysctl("ipv4/ip_forward", "0"),
    mends: sysctl("ipv4/ip_forward", "1"),
  },
  {
    code: "nft-table",
    says: /The table inet clusternet was changed/,
    breaks: `nft insert rule inet ${LINK} guard counter accept`,
  },
  {
    code: "nft-table",
    says: /The table inet clusternet is not there/,
    breaks: `nft delete table inet ${LINK}`,
  },
  {
    code: "conflist",
    says: /is not there: new pods get no network/,
    breaks: ({ node }) => node.space.sh(`rm ${node.conflistFile}`),
  },
  {
    code: "key-mismatch",
    says: /The link has another private key than/,
    breaks:
      `wg genkey > /run/clusternet-cni/other.key; wg set ${LINK} private-key /run/clusternet-cni/other.key`,
  },
  {
    code: "route-missing",
    says: /The route 10\.0\.0\.0\/16 .* is not there/,
    breaks: `ip route del 10.0.0.0/16 dev ${LINK}`,
  },
  {
    code: "link-foreign",
    says: /A route to 10\.0\.0\.0\/16 by somebody else .* is in the way/,
    breaks: "ip route add 10.0.0.0/16 dev eth0",
    mends: "ip route del 10.0.0.0/16 dev eth0",
  },
  {
    code: "link-missing",
    says: /The link clusternet is down/,
    breaks: `ip link set ${LINK} down`,
  },
];

function folder(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/**
 * The wire between the nodes: a bridge in a namespace of its own, a cable to
 * each node, and the mounts that all nodes start from.
 *
 * @module
 */

import type { LabPlan, NodePlan } from "./plan.ts";
import { familyOf, UNDERLAY_BITS } from "./plan.ts";
import { Space } from "./space.ts";

export const BRIDGE = "underlay";

/** A tmpfs of the underlay's own: what outlives a reboot of a node, and nothing longer. */
export const LAB_DIR = "/run/lab";

/** Directories that each boot of a node gets fresh, as `/run` is on a real machine. */
const PER_BOOT = [
  "/run/wireguard",
  "/run/clusternet",
  "/run/clusternet-cni",
  "/run/netns",
];

export async function makeUnderlay(
  plan: LabPlan,
  env: Readonly<Record<string, string>>,
): Promise<Space> {
  return await Space.make("the underlay", {
    env,
    setup: `
mount -t tmpfs -o mode=755 tmpfs /run
${underlaySetup(plan)}`,
  });
}

/** Shell lines, for a place with a fresh /run. */
export function underlaySetup(plan: LabPlan): string {
  const addresses = plan.gateways.map((address) =>
    `ip address add ${onLink(address)} dev ${BRIDGE}`
  );
  return `mkdir -p ${LAB_DIR} ${PER_BOOT.join(" ")}
echo "# a lab has no name server" > ${LAB_DIR}/resolv.conf
if [ -f /etc/resolv.conf ]; then
  mount --bind ${LAB_DIR}/resolv.conf /etc/resolv.conf
fi
ip link set lo up
ip link add ${BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
${quiet(plan, BRIDGE)}
ip link set ${BRIDGE} up
${addresses.join("\n")}`;
}

/** Directory of the node's own files, the same path inside and outside of its mounts. */
export function nodeDir(node: NodePlan): string {
  return `${LAB_DIR}/${node.name}`;
}

/** A booted node: fresh /run, addresses, cable, default route; files of an earlier boot still there. */
export async function bootSpace(
  plan: LabPlan,
  node: NodePlan,
  options: {
    readonly underlay: Space;
    readonly env: Readonly<Record<string, string>>;
    /** A host name of its own: the node's. */
    readonly ownName?: boolean;
    /** More shell lines, after the others, in the node. */
    readonly setup?: string;
  },
): Promise<Space> {
  const { underlay, env, ownName = false, setup = "" } = options;
  const space = await Space.make(`node ${node.name}`, {
    env,
    inside: underlay,
    hostname: ownName ? node.name : undefined,
    ownNetwork: node.port !== "",
    setup: `
${PER_BOOT.map((dir) => `mount -t tmpfs -o mode=755 tmpfs ${dir}`).join("\n")}
mkdir -p -m 700 ${nodeDir(node)}/state
mkdir -p ${nodeDir(node)}/net.d
echo 0 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
${setup}`,
  });
  if (node.port === "") return space;
  try {
    await underlay.sh(
      // The kernel takes its time to end the namespace of an earlier boot.
      `ip link del ${node.port} 2> /dev/null || true
ip link add ${node.port} type veth peer name eth0 address ${node.mac} netns ${space.holder.pid}
${ipv6Off(node.port)}
ip link set ${node.port} master ${BRIDGE} up`,
    );
    const addresses = node.internalIps.map((address) =>
      `ip address add ${onLink(address)} dev eth0`
    );
    const routes = plan.gateways.map((address) =>
      `ip -${familyOf(address)} route add default via ${address} dev eth0`
    );
    await space.sh(
      [
        quiet(plan, "eth0"),
        "ip link set eth0 up",
        ...addresses,
        ...routes,
        ...neighbours(plan, node),
      ].join("\n"),
    );
  } catch (error) {
    await space.end();
    throw error;
  }
  return space;
}

/**
 * The kernel keeps 1,024 neighbours (`gc_thresh3`) for all namespaces together,
 * save those that are set by hand: with many nodes all of them are.
 */
function neighbours(plan: LabPlan, node: NodePlan): readonly string[] {
  if (plan.nodes.length < STATIC_NEIGHBOURS_FROM) return [];
  const lines = plan.nodes.filter((other) => other !== node).flatMap((other) =>
    other.internalIps.map((address) =>
      `neighbour add ${address} lladdr ${other.mac} dev eth0 nud permanent`
    )
  );
  return [`ip -batch - <<'END'\n${lines.join("\n")}\nEND`];
}

const STATIC_NEIGHBOURS_FROM = 20;

/** "fd00:78::1/64 nodad": duplicate address detection would cost a second. */
function onLink(address: string): string {
  const family = familyOf(address);
  const flags = family === 6 ? " nodad" : "";
  return `${address}/${UNDERLAY_BITS[family]}${flags}`;
}

/** No IPv6 on that link: no router solicitations and listener reports in the capture. */
function ipv6Off(link: string): string {
  const file = `/proc/sys/net/ipv6/conf/${link}/disable_ipv6`;
  return `if [ -e ${file} ]; then echo 1 > ${file}; fi`;
}

/** An underlay of IPv4 alone says nothing in IPv6. */
function quiet(plan: LabPlan, link: string): string {
  return plan.underlay.includes(6) ? "true" : ipv6Off(link);
}

/**
 * Checks of what stands beside us on the machine: firewalls, other network
 * plugins, pods' addresses, connections, the programs that manage networks.
 *
 * @module
 */

import { judgeCni } from "../core/cni_check.ts";
import { forwardSentences } from "../core/forward.ts";
import { type Check, check, type Found } from "./check.ts";
import { seen, shellList } from "./evidence.ts";

/** Of a limit: from here on it is worth a word. */
const NEARLY = 0.9;

export const HOST_CHECKS: readonly Check[] = [
  check(
    "forward-drop",
    "the host's firewall on what is forwarded, and whose it is",
    {
      needs: ["firewall", "state"],
      find: ({ firewall, state: { self } }) =>
        forwardSentences(
          firewall.drops,
          (self?.podCidrs ?? []) as Parameters<typeof forwardSentences>[1],
        ).map((sentence) => ({
          sentence: `${whose(firewall.iptables)}${sentence}`,
          evidence: [seen("iptables -S FORWARD", firewall.iptables)],
          cure:
            "the two commands of the sentence, kept where that firewall keeps its rules",
        })),
    },
  ),
  check(
    "forward-chain",
    "chains of other tables that drop what is forwarded",
    {
      needs: ["chains"],
      find: ({ chains }) =>
        chains.map((chain) => ({
          severity: "warning" as const,
          sentence:
            `The nftables chain ${chain} drops what is forwarded unless one of its rules accepts it`,
          evidence: [seen(`nft list chain ${chain}`, "policy drop")],
          cure:
            `nft insert rule ${chain} ip saddr CLUSTER_CIDR accept; the same with daddr; kept where that firewall keeps its rules`,
        })),
    },
  ),
  check(
    "other-plugin-conf",
    "configurations of other network plugins before ours",
    {
      needs: ["cni", "config"],
      find: ({ cni, config }) =>
        judgeCni({ ...cni, missing: [] }, config).problems.map((
          { text: sentence },
        ) => ({
          sentence,
          evidence: [
            seen(
              `ls ${folderOf(config.cniConfFile)}`,
              cni.earlier.map(({ path }) => path).join("\n"),
            ),
          ],
          cure: "what the sentence says",
        })),
    },
  ),
  check("other-plugin-links", "links of other network plugins", {
    needs: ["links"],
    find: ({ links }): Found | undefined => {
      const found = links.filter(({ name }) => OTHERS.test(name));
      if (found.length === 0) return undefined;
      return {
        severity: "warning",
        sentence: `Links of another network plugin are here: ${
          found.map(({ name }) => name).join(", ")
        }`,
        evidence: [
          seen(
            "ip -br link",
            shellList(found.map(({ name, mtu }) => `${name} mtu ${mtu}`)),
          ),
        ],
        cure: `take that plugin away (its DaemonSet first), then: ${
          found.map(({ name }) => `ip link del ${name}`).join("; ")
        }`,
      };
    },
  }),
  check("cni-plugins", "the CNI plugins that pods need", {
    needs: ["cni", "config"],
    find: ({ cni, config }) =>
      judgeCni({ ...cni, earlier: [] }, config).problems.map((
        { text: sentence },
      ) => ({
        sentence,
        evidence: [
          seen(
            `ls ${config.cniBinDirs.join(" ")}`,
            `without ${cni.missing.join(", ")}`,
          ),
        ],
        cure: "apt-get install containernetworking-plugins, or --cni-bin-dir",
      })),
  }),
  check("conflist", "our CNI configuration, there and unchanged", {
    needs: ["state", "config"],
    find: ({ state, config }): Found | undefined =>
      state.steps.some(({ kind }) => kind === "write-conflist")
        ? {
          sentence: state.have.conflist === null
            ? `${config.cniConfFile} is not there: new pods get no network`
            : `${config.cniConfFile} was changed by somebody`,
          evidence: [
            seen(
              `cat ${config.cniConfFile}`,
              state.have.conflist ?? "No such file or directory",
            ),
          ],
          cure:
            "the agent writes it again within half a minute: if not, see agent-not-running and its log; a file of somebody else with that name has to go first",
        }
        : undefined,
  }),
  check("leases-exhausted", "addresses that are left for pods", {
    needs: ["leases"],
    find: ({ leases: { used, room } }): Found | undefined =>
      room === 0 || used < room * NEARLY ? undefined : {
        severity: used >= room ? "error" : "warning",
        sentence:
          `${used} of ${room} addresses for pods are taken on this node`,
        evidence: [seen("ls /run/clusternet-cni/leases/* | wc -l", `${used}`)],
        cure:
          "fewer pods here (--max-pods of the kubelet), or a wider --node-cidr-mask-size; leases without a pod go with a reboot",
      },
  }),
  check("conntrack-full", "room in the table of connections", {
    needs: ["sysctls"],
    find: ({ sysctls }): Found | undefined => {
      const count = Number(
        sysctls.get("net/netfilter/nf_conntrack_count") ?? "0",
      );
      const max = Number(sysctls.get("net/netfilter/nf_conntrack_max") ?? "0");
      if (max === 0 || count < max * NEARLY) return undefined;
      return {
        severity: count >= max ? "error" : "warning",
        sentence:
          `${count} of ${max} connections are tracked: new ones are dropped at the limit`,
        evidence: [
          seen(
            "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
            `${count}\n${max}`,
          ),
          seen("dmesg | grep 'nf_conntrack: table full'", ""),
        ],
        cure: `sysctl -w net.netfilter.nf_conntrack_max=${
          max * 2
        }, and keep it in /etc/sysctl.d (kube-proxy: conntrack.maxPerCore)`,
      };
    },
  }),
  check("networkd", "whether networkd takes away routes that are not its own", {
    needs: ["managers"],
    find: ({ managers }): Found | undefined =>
      !managers.networkd || managers.foreignRoutesKept ? undefined : {
        severity: "warning",
        sentence:
          "systemd-networkd removes routes of others when it restarts (ManageForeignRoutes)",
        evidence: [
          seen(
            "systemd-analyze cat-config systemd/networkd.conf",
            "without ManageForeignRoutes=no",
          ),
        ],
        cure:
          "clusternet install puts a file below /etc/systemd/networkd.conf.d: ManageForeignRoutes=no, then networkctl reload",
      },
  }),
  check("network-manager", "whether NetworkManager leaves our link alone", {
    needs: ["managers", "config"],
    find: ({ managers, config }): Found | undefined =>
      !managers.networkManager || managers.linkUnmanaged ? undefined : {
        severity: "warning",
        sentence: `NetworkManager manages the link ${config.interface}`,
        evidence: [
          seen(
            `nmcli -f GENERAL.STATE device show ${config.interface}`,
            "not unmanaged",
          ),
        ],
        cure:
          "clusternet install puts a file below /etc/NetworkManager/conf.d (unmanaged-devices), then systemctl reload NetworkManager",
      },
  }),
];

/** What flannel, Calico, Cilium, Weave, Kilo, Antrea and plain bridges call their links. */
const OTHERS =
  /^(flannel|flannel-wg|cni0|cali[0-9a-f]{11}|vxlan\.calico|wireguard\.cali|cilium_|weave|kube-bridge|kilo|antrea-gw)/;

/** By the chains that it has put there. */
function whose(iptables: string): string {
  if (/DOCKER/.test(iptables)) return "Docker's: ";
  if (/ufw/.test(iptables)) return "ufw's: ";
  if (/firewalld|_ZONES/.test(iptables)) return "firewalld's: ";
  return "";
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

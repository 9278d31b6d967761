/**
 * Checks of what the agent keeps in the kernel, and of what stands against it
 * there: link, key, port, routes, rules, settings, tables.
 *
 * @module
 */

import {
  contains,
  overlaps,
  parsePrefix,
  type Prefix,
} from "../core/address.ts";
import { ROUTE_PROTOCOL, type Step } from "../core/state.ts";
import { routeText, stepText } from "../core/step_text.ts";
import { type Check, check, type Found } from "./check.ts";
import { seen, shellList } from "./evidence.ts";
import type { Facts, RouteFacts } from "./facts.ts";

/** What the agent does within a second, where it runs. */
const AGENT_MENDS =
  "the agent mends it within a second: if it does not, see agent-not-running and its log";

export const LINK_CHECKS: readonly Check[] = [
  check("link-missing", "whether the WireGuard link is there, and up", {
    needs: ["state", "config"],
    find: ({ state: { have }, config }): Found | undefined => {
      const command = `ip -d link show ${config.interface}`;
      if (have.link === null) {
        return {
          sentence:
            `There is no link ${config.interface}: no pod reaches another node`,
          evidence: [seen(command, "Device does not exist")],
          cure: AGENT_MENDS,
        };
      }
      if (have.link?.up !== false) return undefined;
      return {
        sentence: `The link ${config.interface} is down`,
        evidence: [seen(command, "state DOWN")],
        cure: `ip link set ${config.interface} up; ${AGENT_MENDS}`,
      };
    },
  }),
  check("link-foreign", "whether somebody else's link or route is in the way", {
    needs: ["state", "config"],
    find: ({ state: { blocked }, config }) =>
      blocked.map((sentence) => ({
        sentence,
        evidence: [
          seen(`ip -d link show ${config.interface}`, ""),
          seen(`ip route show table main`, ""),
        ],
        cure:
          "remove what the sentence names; the agent touches nothing of others",
      })),
  }),
  check(
    "key-mismatch",
    "whether key file, kernel and Node's annotation agree",
    {
      needs: ["state", "key", "config"],
      find: ({ state: { have, self }, key, config }): readonly Found[] => {
        const found: Found[] = [];
        const file = key.publicKey;
        const kernel = have.device?.publicKey;
        if (file === null) return [];
        if (kernel && kernel !== file) {
          found.push({
            sentence:
              `The link has another private key than ${key.path}: no peer will shake hands`,
            evidence: [
              seen(`wg show ${config.interface} public-key`, kernel),
              seen(`wg pubkey < ${key.path}`, file),
            ],
            cure: AGENT_MENDS,
          });
        }
        const published = self?.publicKey;
        if (published !== undefined && published !== file) {
          found.push({
            sentence:
              `Node ${self?.name} says another public key than the one of ${key.path}: its peers talk to nobody`,
            evidence: [
              seen(
                `kubectl get node ${self?.name} -o jsonpath='{.metadata.annotations}'`,
                published,
              ),
              seen(`wg pubkey < ${key.path}`, file),
            ],
            cure:
              `the agent publishes its own (annotation ${config.annotation}); if it does not, see rbac, agent-two`,
          });
        }
        return found;
      },
    },
  ),
  check("port-in-use", "who holds the UDP port of the tunnels", {
    needs: ["udp", "state", "config"],
    find: ({ udp, state: { have }, config }): Found | undefined => {
      const port = config.listenPort;
      const holder = udp.find((one) =>
        one.port === port && one.program !== "" &&
        !/wireguard|boringtun/.test(one.program)
      );
      const ours = have.device?.listenPort === port;
      if (holder === undefined || ours) return undefined;
      return {
        sentence:
          `UDP ${port}, the port of the tunnels, is held by ${holder.program}`,
        evidence: [seen(`ss -Hulpn sport = :${port}`, holder.program)],
        cure: "end it, or give another --listen-port on all nodes",
      };
    },
  }),
  check("listen-port", "whether the link listens where the peers send to", {
    needs: ["state", "config"],
    find: ({ state: { have }, config }): Found | undefined => {
      const port = have.device?.listenPort;
      if (port === undefined || port === config.listenPort) return undefined;
      return {
        sentence:
          `The link listens on UDP ${port}, peers send to ${config.listenPort}`,
        evidence: [seen(`wg show ${config.interface} listen-port`, `${port}`)],
        cure: AGENT_MENDS,
      };
    },
  }),
  check(
    "link-address",
    "whether the link has the first address of our podCIDRs",
    {
      needs: ["state", "config"],
      find: ({ state, config }) =>
        steps(state, "add-address", "remove-address").map((step) => ({
          sentence: step.kind === "add-address"
            ? `The link lacks its address ${step.address}`
            : "The link has an address that is not ours",
          evidence: [
            seen(
              `ip -o address show dev ${config.interface}`,
              (state.have.addresses ?? []).join("\n"),
            ),
          ],
          cure: `${stepText(step)}; ${AGENT_MENDS}`,
        })),
    },
  ),
  check("link-mtu", "whether the link's MTU fits the underlay", {
    needs: ["state", "config"],
    find: ({ state, config }) =>
      steps(state, "set-link-mtu").map((step) => ({
        sentence: `The link's MTU is ${state.have.link?.mtu}, and should be ${
          step.kind === "set-link-mtu" ? step.mtu : ""
        }`,
        evidence: [
          seen(
            `ip link show ${config.interface}`,
            `mtu ${state.have.link?.mtu}`,
          ),
        ],
        cure: `${stepText(step)}; ${AGENT_MENDS}`,
      })),
  }),
  check("pod-mtu", "whether pods' links have the MTU of the tunnel", {
    needs: ["links", "routes", "state", "config"],
    find: ({ links, routes, state: { have }, config }): Found | undefined => {
      const mtu = have.link?.mtu;
      if (mtu === undefined) return undefined;
      const pods = new Set(routesToPods(routes, config.clusterCidrs));
      const wrong = links.filter((link) =>
        link.kind === "veth" && pods.has(link.name) && link.mtu > mtu
      );
      const [first] = wrong;
      if (first === undefined) return undefined;
      return {
        severity: "warning",
        sentence:
          `${wrong.length} pods have a larger MTU than the link (${first.mtu} on ${first.name}, the link ${mtu}): large packets of theirs are lost`,
        evidence: [
          seen(
            "ip -o link show type veth",
            shellList(wrong.map(({ name, mtu }) => `${name} mtu ${mtu}`)),
          ),
        ],
        cure: "delete those pods: new ones get the MTU of the configuration",
      };
    },
  }),
  check("route-missing", "the routes to all pods", {
    needs: ["state"],
    find: ({ state }) =>
      steps(state, "add-route").map((step) => ({
        sentence: step.kind === "add-route"
          ? `The route ${routeText(step.route)} is not there`
          : "",
        evidence: [
          seen(
            `ip route show table main; ip -6 route show table main`,
            (state.have.routes ?? []).map(routeText).join("\n"),
          ),
        ],
        cure: `${stepText(step)}; ${AGENT_MENDS}`,
      })),
  }),
  check("route-foreign", "routes of others to pods, past the tunnel", {
    needs: ["routes", "links", "config", "state"],
    find: ({ routes, links, config, state: { self } }) =>
      foreignRoutes(routes, { links, config, self })
        .map((route) => ({
          sentence:
            `A route of others (protocol ${route.protocol}) takes ${route.destination} past the tunnel, by ${route.device}`,
          evidence: [
            seen(
              `ip route show ${route.destination}`,
              `${route.destination} dev ${route.device} proto ${route.protocol}`,
            ),
          ],
          cure:
            `ip route del ${route.destination} dev ${route.device}, and stop who makes it (another network plugin, networkd, a script)`,
        })),
  }),
  check("rule-overrides", "policy rules that are asked before table main", {
    needs: ["rules"],
    find: ({ rules }) =>
      rules.filter(({ priority, table, text }) =>
        priority > 0 && priority < MAIN_PRIORITY && table !== "main" &&
        table !== "local" &&
        !/fwmark|\biif lo\b|suppress_prefixlength/.test(text)
      ).map((rule) => ({
        severity: "warning" as const,
        sentence:
          `A policy rule sends packets to table ${rule.table} before table main is asked, where the routes to pods are`,
        evidence: [seen("ip rule show", rule.text)],
        cure: `ip rule add to CLUSTER_CIDR priority ${
          Math.max(1, rule.priority - 1)
        } table main; or remove it: ip rule del priority ${rule.priority}`,
      })),
  }),
  check("forwarding-off", "whether this machine forwards packets", {
    needs: ["state"],
    find: ({ state }) =>
      steps(state, "set-sysctl").map((step) => ({
        sentence: step.kind === "set-sysctl"
          ? `The setting ${dotted(step.name)} is ${
            state.have.sysctls?.get(step.name) ?? "not there"
          }, and should be ${step.value}`
          : "",
        evidence: [
          seen(
            step.kind === "set-sysctl" ? `sysctl ${dotted(step.name)}` : "",
            step.kind === "set-sysctl"
              ? state.have.sysctls?.get(step.name) ?? "not there"
              : "",
          ),
        ],
        cure: `${
          stepText(step)
        }; look below /etc/sysctl.d for who sets it otherwise`,
      })),
  }),
  check("link-forwarding", "whether a single link refuses to forward", {
    needs: ["sysctls", "config"],
    find: ({ sysctls, config }): Found | undefined => {
      const name = `net/ipv4/conf/${config.interface}/forwarding`;
      if (
        sysctls.get(name) !== "0" || sysctls.get("net/ipv4/ip_forward") !== "1"
      ) {
        return undefined;
      }
      return {
        sentence: `The link ${config.interface} does not forward: ${
          dotted(name)
        } is 0`,
        evidence: [seen(`sysctl ${dotted(name)}`, "0")],
        cure: `sysctl -w ${dotted(name)}=1`,
      };
    },
  }),
  check("rp-filter", "strict reverse path filters that drop pods' packets", {
    needs: ["sysctls", "config"],
    find: ({ sysctls, config }): Found | undefined => {
      const of = (link: string): number =>
        Number(sysctls.get(`net/ipv4/conf/${link}/rp_filter`) ?? "0");
      // include/linux/inetdevice.h, IN_DEV_RPFILTER: the larger one counts.
      const value = Math.max(of("all"), of(config.interface));
      const routed = sysctls.get(
        `net/ipv4/conf/${config.interface}/src_valid_mark`,
      );
      if (value !== 1 || routed === undefined) return undefined;
      return {
        severity: "warning",
        sentence:
          `rp_filter is strict on ${config.interface}: what comes from pods is dropped wherever a route to them leads elsewhere`,
        evidence: [
          seen(
            `sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.${config.interface}.rp_filter`,
            `${of("all")}, ${of(config.interface)}`,
          ),
        ],
        cure:
          `sysctl -w net.ipv4.conf.all.rp_filter=2 (loose), and keep it in /etc/sysctl.d; our own table drops forged sources`,
      };
    },
  }),
  check("ipv6-disabled", "IPv6 where the cluster CIDR wants it", {
    needs: ["sysctls", "host", "config"],
    find: ({ sysctls, host, config }): Found | undefined => {
      if (!config.clusterCidrs.some((cidr) => cidr.includes(":"))) {
        return undefined;
      }
      const names = ["all", config.interface].map((link) =>
        `net/ipv6/conf/${link}/disable_ipv6`
      );
      const off = names.find((name) => sysctls.get(name) === "1");
      if (host.ipv6 && off === undefined) return undefined;
      return {
        sentence: off === undefined
          ? "This kernel has no IPv6, and the cluster CIDR is of IPv6"
          : `IPv6 is off (${dotted(off)} = 1), and the cluster CIDR is of IPv6`,
        evidence: [seen(`sysctl ${dotted(off ?? "net.ipv6")}`, "1")],
        cure: off === undefined
          ? "take ipv6.disable=1 from the kernel's command line"
          : `sysctl -w ${dotted(off)}=0`,
      };
    },
  }),
  check("nft-table", "our nftables table, whole and unchanged", {
    needs: ["state", "config"],
    find: ({ state, config }) =>
      steps(state, "set-table").map(() => {
        const { have: { table } } = state;
        return {
          sentence: table === null
            ? `The table inet ${config.interface} is not there: pods' packets are not masqueraded, and may leave in clear`
            : table?.dormant
            ? `The table inet ${config.interface} is dormant: it does nothing`
            : `The table inet ${config.interface} was changed by somebody`,
          evidence: [seen(`nft list table inet ${config.interface}`, "")],
          cure: AGENT_MENDS,
        };
      }),
  }),
];

/** RT_TABLE_MAIN's rule (net/ipv4/fib_rules.c, fib_default_rules_init). */
const MAIN_PRIORITY = 32766;

function steps(
  state: Pick<Facts["state"], "steps">,
  ...kinds: readonly Step["kind"][]
): readonly Step[] {
  return state.steps.filter(({ kind }) => kinds.includes(kind));
}

/** "net/ipv4/ip_forward" as sysctl(8) writes it. */
function dotted(name: string): string {
  return name.replaceAll("/", ".");
}

/** Links by which single pods are reached. */
function routesToPods(
  routes: readonly RouteFacts[],
  clusterCidrs: readonly Prefix[],
): readonly string[] {
  return routes.filter(({ destination }) =>
    inCluster(destination, clusterCidrs) === "host"
  ).map(({ device }) => device);
}

function foreignRoutes(
  routes: readonly RouteFacts[],
  { links, config, self }: Pick<Facts, "links" | "config"> & {
    readonly self: Facts["state"]["self"];
  },
): readonly RouteFacts[] {
  const own = new Set(self?.podCidrs ?? []);
  const pods = new Set(
    links.filter(({ kind }) => kind === "veth").map(({ name }) => name),
  );
  return routes.filter((route) => {
    if (route.table !== "main" || route.device === config.interface) {
      return false;
    }
    if (route.protocol === String(ROUTE_PROTOCOL)) return false;
    const place = inCluster(route.destination, config.clusterCidrs);
    if (place === undefined) return false;
    // The plugin ptp's: a pod of our own.
    if (place === "host" && pods.has(route.device)) return false;
    return !own.has(route.destination);
  });
}

/** Is it the route of one address in a cluster CIDR, or of a range of them? */
function inCluster(
  destination: string,
  clusterCidrs: readonly Prefix[],
): "host" | "range" | undefined {
  const prefix = prefixOf(destination);
  if (prefix === undefined) return undefined;
  const cidr = clusterCidrs.find((one) => overlaps(one, prefix));
  // A wider one, like the default route, is never asked.
  if (cidr === undefined || !contains(cidr, prefix)) return undefined;
  return /\/(32|128)$/.test(prefix) ? "host" : "range";
}

function prefixOf(destination: string): Prefix | undefined {
  const bits = destination.includes(":") ? 128 : 32;
  try {
    return parsePrefix(
      destination.includes("/") ? destination : `${destination}/${bits}`,
    );
  } catch {
    return undefined; // "default"
  }
}

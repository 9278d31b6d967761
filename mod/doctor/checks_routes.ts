/**
 * Checks of where the kernel sends what is meant for pods: routes, rules,
 * settings, and our table.
 *
 * @module
 */

import type { RouteFacts } from "../core/machine_facts.ts";
import { routeText, stepText } from "../core/step_text.ts";
import { type Check, check, type Found } from "./check.ts";
import { seen } from "./evidence.ts";
import { foreignRoutes, protocolName } from "./pod_routes.ts";
import { AGENT_MENDS, stepsOf } from "./steps.ts";

/** RT_TABLE_MAIN's rule (net/ipv4/fib_rules.c, fib_default_rules_init). */
const MAIN_PRIORITY = 32766;

/** Of those packets alone that belong to a VRF already. */
const VRF_TABLE = "[l3mdev-table]";

export const ROUTE_CHECKS: readonly Check[] = [
  check("route-missing", "the routes to all pods", {
    needs: ["state"],
    find: ({ state }) =>
      stepsOf(state, "add-route").map((step) => ({
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
      foreignRoutes(routes, { links, config, self }).map(foreignRoute),
  }),
  check("rule-overrides", "policy rules that are asked before table main", {
    needs: ["rules"],
    find: ({ rules }) =>
      rules.filter(({ priority, table, text }) =>
        priority > 0 && priority < MAIN_PRIORITY && table !== "main" &&
        table !== "local" && table !== VRF_TABLE &&
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
      stepsOf(state, "set-sysctl").map((step) => ({
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
      stepsOf(state, "set-table").map(() => {
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

function foreignRoute({ destination, device, protocol }: RouteFacts): Found {
  const proto = protocolName(protocol);
  const dev = device === "" ? "" : ` dev ${device}`;
  return {
    sentence:
      `A route of others (protocol ${proto}) takes ${destination} past the tunnel, ${
        device === "" ? "into nothing" : `by ${device}`
      }`,
    evidence: [
      seen(
        `ip route show ${destination}`,
        `${destination}${dev} proto ${proto}`,
      ),
    ],
    cure:
      `ip route del ${destination}${dev}, and stop who makes it (another network plugin, networkd, a script)`,
  };
}

/** "net/ipv4/ip_forward" as sysctl(8) writes it. */
function dotted(name: string): string {
  return name.replaceAll("/", ".");
}

/**
 * Checks of the link that the agent keeps in the kernel: its key, its port, its
 * addresses, its size.
 *
 * @module
 */

import { stepText } from "../core/step_text.ts";
import { type Check, check, type Found } from "./check.ts";
import { seen, shellList } from "./evidence.ts";
import { routesToPods } from "./pod_routes.ts";
import { AGENT_MENDS, stepsOf } from "./steps.ts";

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
      blocked.map(({ text: sentence }) => ({
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
      // One that is down has a port by name only.
      const ours = have.device?.listenPort === port && have.link?.up !== false;
      const others = udp.filter(({ program }) => !USERSPACE.test(program));
      const holder = others.find(({ program }) => program !== "") ?? others[0];
      if (holder === undefined || ours) return undefined;
      const { program, inode } = holder;
      const who = program === ""
        ? "another WireGuard link, or a process that is not seen from here"
        : program;
      return {
        sentence: `UDP ${port}, the port of the tunnels, is held by ${who}`,
        evidence: [
          seen(`ss -Hulpn sport = :${port}`, program || `socket ${inode}`),
        ],
        cure: program === ""
          ? `\`ss -Hulpn sport = :${port}\` as root on the node, and \`wg show all listen-port\`, name it; end it, or give another --listen-port on all nodes`
          : "end it, or give another --listen-port on all nodes",
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
        stepsOf(state, "add-address", "remove-address").map((step) => ({
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
      stepsOf(state, "set-link-mtu").map((step) => ({
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
];

/** Programs that hold a WireGuard link's port for it; /proc cuts names after 15 characters. */
const USERSPACE = /wireguard|boringtun/;

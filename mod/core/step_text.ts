/**
 * A step as the command that a person would type: the log line, the dry run and
 * the goldens of the tests. Never a secret: keys go by the name of their file.
 *
 * @module
 */

import { replacementCommand } from "./nft_text.ts";
import type { PeerChange, Route, Step } from "./state.ts";

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { stepText } from "./step_text.ts";
 *
 * assert.equal(
 *   stepText({ kind: "set-link-mtu", link: "clusternet", mtu: 1440 }),
 *   "ip link set clusternet mtu 1440",
 * );
 * ```
 */
export function stepText(step: Step): string {
  switch (step.kind) {
    case "create-link":
      return `ip link add ${step.link} type wireguard`;
    case "set-link-alias":
      return `ip link set ${step.link} alias ${step.alias}`;
    case "set-link-mtu":
      return `ip link set ${step.link} mtu ${step.mtu}`;
    case "set-link-up":
      return `ip link set ${step.link} up`;
    case "set-private-key":
      return `wg set ${step.link} private-key ${step.file}`;
    case "set-listen-port":
      return `wg set ${step.link} listen-port ${step.port}`;
    case "add-address":
      return `ip address add ${step.address} dev ${step.link}`;
    case "remove-address":
      return `ip address del ${step.address} dev ${step.link}`;
    case "add-route":
      return `ip route ${step.replace ? "replace" : "add"} ${
        routeText(step.route)
      }`;
    case "remove-route":
      return `ip route del ${routeText(step.route)}`;
    case "peer":
      return `wg set ${step.link} ${peerChangeText(step.change)}`;
    case "set-sysctl":
      return `sysctl -w ${sysctlName(step.name)}=${step.value}`;
    case "set-table":
      return replacementCommand(step.table);
    case "write-conflist":
      return `write ${step.file} (${step.text.length} bytes)`;
  }
}

/** The same, for sentences: a whole table is too long for them. */
export function shortText(step: Step): string {
  return step.kind === "set-table"
    ? `nftables' table inet ${step.table.name}`
    : stepText(step);
}

/** As `ip route` takes and shows it; it tells the family by the destination. */
export function routeText(route: Route): string {
  const words: string[] = route.type === "unicast" ? [] : [route.type];
  words.push(route.destination);
  if (route.device !== undefined) words.push(`dev ${route.device}`);
  if (route.source !== undefined) words.push(`src ${route.source}`);
  words.push(`proto ${route.protocol}`);
  if (route.metric !== 0) words.push(`metric ${route.metric}`);
  return words.join(" ");
}

/** What follows `wg set LINK`: one command is one message to the kernel. `+` and `-` as wg(8) has them. */
export function peerChangeText(change: PeerChange): string {
  if (change.kind === "remove-peer") {
    return `peer ${change.publicKey} remove # ${change.reason}`;
  }
  const words: string[] = [];
  if (change.replaces !== undefined) {
    words.push(`peer ${change.replaces} remove`);
  }
  words.push(`peer ${change.publicKey}`);
  if (change.clearPresharedKey) words.push("preshared-key /dev/null");
  if (change.endpoint !== undefined) words.push(`endpoint ${change.endpoint}`);
  if (change.keepaliveSeconds !== undefined) {
    words.push(`persistent-keepalive ${change.keepaliveSeconds || "off"}`);
  }
  const allowed = [
    ...change.addAllowedIps.map((prefix) => `+${prefix}`),
    ...change.removeAllowedIps.map((prefix) => `-${prefix}`),
  ];
  if (allowed.length > 0) words.push(`allowed-ips ${allowed.join(",")}`);
  return `${words.join(" ")} # Node ${change.node}`;
}

/** With slashes only where a link's name has a dot in it (sysctl(8)). */
function sysctlName(name: string): string {
  return name.includes(".") ? name : name.replaceAll("/", ".");
}

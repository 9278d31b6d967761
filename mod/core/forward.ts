/**
 * Whether the host's own firewall drops what pods send: `iptables`' chain
 * FORWARD with the policy DROP, as Docker and ufw set it. Our table cannot undo
 * that, nor is it ours to change; but what to do about it can be said.
 *
 * @module
 */

import { contains, type Family, familyOf, type Prefix } from "./address.ts";
import type { Match } from "./nftables.ts";

/** A family's FORWARD chain with the policy DROP. */
export interface ForwardDrop {
  readonly family: Family;
  /** Of each rule that accepts: what it asks for; nothing: it accepts all. */
  readonly accepts: readonly (readonly Match[])[];
}

/** One sentence for each of our podCIDRs that no rule lets pass both ways. */
export function forwardSentences(
  drops: readonly ForwardDrop[],
  podCidrs: readonly Prefix[],
): readonly string[] {
  return podCidrs.flatMap((cidr) => {
    const family = familyOf(cidr);
    const drop = drops.find((one) => one.family === family);
    if (drop === undefined) return [];
    const open = (["saddr", "daddr"] as const).every((side) =>
      drop.accepts.some((matches) =>
        matches.every((match) => covers(match, side, cidr))
      )
    );
    if (open) return [];
    const command = `${family === 4 ? "iptables" : "ip6tables"} -I FORWARD`;
    return [
      "The host's firewall drops what is forwarded unless one of its rules accepts it " +
      `(chain FORWARD, policy DROP), and none is seen for the pods of ${cidr}: ` +
      `${command} -s ${cidr} -j ACCEPT; ${command} -d ${cidr} -j ACCEPT`,
    ];
  });
}

function covers(match: Match, side: "saddr" | "daddr", cidr: Prefix): boolean {
  return match.kind === "address" && match.inside && match.side === side &&
    contains(match.prefix, cidr);
}

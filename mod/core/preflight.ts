/**
 * Refusals before the first write: a cluster CIDR that holds an address which
 * this machine needs outside the tunnel would cut it off (I21), and a link of
 * our name that somebody else made is not ours to change (I26).
 *
 * @module
 */

import {
  type Address,
  contains,
  familyBits,
  familyOf,
  parseAddress,
  type Prefix,
} from "./address.ts";
import type { PublicKey } from "./key.ts";
import type { NodeRecord } from "./node.ts";
import type { Problem } from "./problem.ts";
import { type HostFacts, type Link, LINK_ALIAS, type State } from "./state.ts";

export interface Needed {
  readonly internalIps: readonly Address[];
  readonly host: HostFacts;
  /** Name servers of the machine. */
  readonly resolvers: readonly Address[];
  readonly apiServers: readonly Address[];
}

/** One problem for each address that lies in a cluster CIDR; none: go on. */
export function preflight(
  clusterCidrs: readonly Prefix[],
  { internalIps, host, resolvers, apiServers }: Needed,
): readonly Problem[] {
  const seen = new Set<Address>();
  const problems: Problem[] = [];
  const check = (address: Address, what: string): void => {
    const problem = cutOff(clusterCidrs, address, what);
    if (problem === undefined || seen.has(address)) return;
    seen.add(address);
    problems.push(problem);
  };
  for (const address of internalIps) check(address, OWN_INTERNAL_IP);
  for (const address of apiServers) check(address, "the API server");
  for (const address of host.gateways) check(address, "the default gateway");
  for (const address of resolvers) check(address, "a name server");
  for (const { link, kind, address, bits } of host.addresses) {
    // The plugin ptp gives each pod's veth the gateway's address.
    if (kind === "veth" && bits === familyBits(familyOf(address))) continue;
    check(address, `an address of the link ${link}`);
  }
  return problems;
}

/** What an InternalIP is called in the sentence. */
export const OWN_INTERNAL_IP = "this Node's InternalIP";

/** What is wrong if a cluster CIDR holds this address. */
export function cutOff(
  clusterCidrs: readonly Prefix[],
  address: Address,
  what: string,
): Problem | undefined {
  const cidr = clusterCidrs.find((one) => contains(one, address));
  if (cidr === undefined) return undefined;
  return {
    reason: "ClusterCIDROverlap",
    text:
      `Cannot use cluster CIDR ${cidr}: it holds ${address}, ${what}, which would ` +
      "be cut off; give a range that is free with --cluster-cidr, here and to " +
      "kube-controller-manager",
  };
}

/** What is wrong if a cluster CIDR holds an InternalIP of our own Node. */
export function cutOffNode(
  clusterCidrs: readonly Prefix[],
  self: NodeRecord | undefined,
): Problem | undefined {
  for (const text of self?.internalIps ?? []) {
    const address = parsedAddress(text);
    const problem = address && cutOff(clusterCidrs, address, OWN_INTERNAL_IP);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function parsedAddress(text: string): Address | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined; // said elsewhere: the Node has no usable InternalIP
  }
}

/** Why what has our link's name at the start is not ours; `undefined`: it is, or there is none. */
export function foreignAtStart(
  { link, device }: State,
  { name, kind, publicKey }: {
    readonly name: string;
    readonly kind: string;
    readonly publicKey: PublicKey;
  },
): Problem | undefined {
  const problem = foreignLink(name, link, kind);
  if (problem !== undefined || !link) return problem;
  const other = device?.publicKey;
  if (link.alias !== "" || !other || other === publicKey) return undefined;
  return foreign(
    name,
    `Link ${name} is there with another private key and without our mark`,
  );
}

/** Why a link of our name is not ours; `undefined`: it is, or there is none. */
export function foreignLink(
  name: string,
  observed: Link | null | undefined,
  kind: string,
): Problem | undefined {
  if (!observed) return undefined;
  if (observed.kind !== kind) {
    const found = observed.kind === "" ? "hardware" : `kind ${observed.kind}`;
    return foreign(
      name,
      `Link ${name} is there but is not of kind ${kind} (${found})`,
    );
  }
  // Without an alias it may be ours: we may have ended between making and marking it.
  if (["", LINK_ALIAS].includes(observed.alias)) return undefined;
  const alias = JSON.stringify(observed.alias);
  return foreign(name, `Link ${name} is somebody else's (alias ${alias})`);
}

function foreign(name: string, how: string): Problem {
  const cure =
    `remove it (ip link del ${name}) or choose another name with --interface`;
  return { reason: "ForeignLink", text: `${how}: ${cure}` };
}

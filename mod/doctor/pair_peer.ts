/**
 * The other Node as a peer of this one: key, endpoint and podCIDRs as its Node
 * object has them, or why it is none.
 *
 * @module
 */

import { readable } from "../core/candidate.ts";
import {
  contains,
  endpointText,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../core/address.ts";
import { whyAbsent } from "../core/opinion.ts";
import type { PeerStatus, Status } from "../core/status.ts";
import { seen } from "./evidence.ts";
import type { Ends, Hop } from "./pair.ts";
import { peerOf } from "./pair_facts.ts";
import { agentCommand, agentCure, type Flaw, judged } from "./pair_side.ts";

/** `undefined`: the agent says nothing. */
export function peerHop({ me, other }: Ends): Hop | undefined {
  const { answer, node: { name } } = me;
  const to = other.node.name;
  if (answer.kind === "none") return undefined;
  const { link } = answer.status;
  if (link === null) return undefined;
  const peer = peerOf(me, to);
  const command = `wg show ${link.name}`;
  if (peer === undefined) {
    const why = whyAbsent(answer.status, to);
    return {
      code: "peer",
      at: name,
      grade: "broken",
      sentence: `${to} is no peer of ${name}: ${why}`,
      evidence: [seen(agentCommand(me), why)],
      cure: `as the sentence says; ${agentCure(other)}`,
    };
  }
  const output = [
    `peer: ${peer.publicKey}`,
    `endpoint: ${peer.endpoint ?? "(none)"}`,
    `allowed ips: ${peer.podCidrs.join(", ")}`,
  ].join("\n");
  return judged(
    { code: "peer", at: name, evidence: [seen(command, output)] },
    [
      ...keyFlaws(peer, { me, other }),
      ...endpointFlaws(peer, { me, other, port: link.listenPort }),
      ...prefixFlaws(peer, { me, other, status: answer.status }),
    ],
    `${name} has ${to} as a peer, with its published key, the endpoint ${peer.endpoint} and its podCIDRs ${
      peer.podCidrs.join(", ")
    }`,
  );
}

function keyFlaws(
  { publicKey }: PeerStatus,
  { me, other }: Pick<Ends, "me" | "other">,
): readonly Flaw[] {
  const published = other.node.publicKey;
  if (published === undefined || published === publicKey) return [];
  return [{
    grade: "broken",
    text:
      `${me.node.name} has ${other.node.name} with the key ${publicKey}, its Node says ${published} now`,
    cure: `${me.node.name} does not follow the Nodes: ${agentCure(me)}`,
  }];
}

function endpointFlaws(
  { endpoint, probe }: PeerStatus,
  { me, other, port }: Pick<Ends, "me" | "other"> & { readonly port: number },
): readonly Flaw[] {
  const [name, to] = [me.node.name, other.node.name];
  const wanted = readable(other.node.internalIps, parseAddress)
    .map((address) => endpointText(address, port));
  if (endpoint !== null && wanted.includes(endpoint)) return [];
  const cure = `packets to ${to} have to go to ${
    wanted[0]
  }: is there NAT between the two, or a second machine with the key of ${to}?`;
  if (endpoint === null) {
    return [{
      grade: "broken",
      text: `${name} has no endpoint for ${to}`,
      cure,
    }];
  }
  return [{
    // WireGuard answers to where packets come from: NAT is no break by itself.
    grade: probe?.answered === true ? "warning" : "broken",
    text: `${name} sends to ${to} at ${endpoint}, which is not ${
      wanted.join(" or ") || "an InternalIP"
    }`,
    cure,
  }];
}

function prefixFlaws(
  { podCidrs }: PeerStatus,
  { me, other, status }: Pick<Ends, "me" | "other"> & {
    readonly status: Status;
  },
): readonly Flaw[] {
  const to = other.node.name;
  const wanted = readable(other.node.podCidrs, parsePrefix);
  const have = readable(podCidrs, parsePrefix);
  const holds = (outer: readonly Prefix[], inner: Prefix): boolean =>
    outer.some((one) => contains(one, inner));
  const lacking = wanted.filter((one) => !holds(have, one));
  const extra = have.filter((one) => !holds(wanted, one));
  const found = status.findings.find(({ node }) => node === to);
  const why = found?.reasons.map(({ text }) => text).join("; ") ??
    `${me.node.name} does not follow the Nodes`;
  const flaw = (text: string): Flaw => ({
    grade: "broken",
    text: `${text}: ${why}`,
    cure: `as the sentence says; ${agentCure(me)}`,
  });
  return [
    ...lacking.length === 0 ? [] : [
      flaw(
        `${me.node.name} sends ${to} nothing for ${lacking.join(", ")}`,
      ),
    ],
    ...extra.length === 0 ? [] : [
      flaw(
        `${me.node.name} sends ${to} what is for ${
          extra.join(", ")
        }, which its Node does not have`,
      ),
    ],
  ];
}

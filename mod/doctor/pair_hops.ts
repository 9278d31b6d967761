/**
 * The hops before the tunnel: a Node object, its agent, its link, and the other
 * Node as its peer.
 *
 * @module
 */

import {
  contains,
  endpointText,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../core/address.ts";
import { Opinions } from "../core/cluster_view.ts";
import type { PeerStatus, Status } from "../core/status.ts";
import { durationText } from "../view/units.ts";
import { seen } from "./evidence.ts";
import type { Ends, Grade, Hop } from "./pair.ts";
import { peerOf, type Side } from "./pair_facts.ts";

/** Seconds without a turn that are too many: turns come every 30. */
const TURN_SECONDS = 120;

/** Something that is not as it should be. */
interface Flaw {
  readonly grade: Exclude<Grade, "good">;
  readonly text: string;
  readonly cure: string;
}

/** As bad as the worst of them; without any as good as `well`. */
function judged(
  hop: Pick<Hop, "code" | "at" | "evidence">,
  flaws: readonly Flaw[],
  well: string,
): Hop {
  const worst = (["broken", "unknown", "warning"] as const)
    .flatMap((grade) => flaws.find((flaw) => flaw.grade === grade) ?? [])[0];
  if (worst === undefined) {
    return { ...hop, grade: "good", sentence: well, cure: "" };
  }
  const others = flaws.filter((flaw) => flaw !== worst);
  const { grade, cure } = worst;
  const sentence = [worst, ...others].map(({ text }) => text).join("; ");
  return { ...hop, grade, sentence, cure };
}

export function nodeHop({ me, annotation }: Ends): Hop {
  const { node: { name, publicKey, internalIps, podCidrs }, ready } = me;
  const flaws: Flaw[] = [];
  const broken = (text: string, cure: string): void => {
    flaws.push({ grade: "broken", text, cure });
  };
  if (publicKey === undefined) {
    broken(
      `Node ${name} has no public key (annotation ${annotation}), so it is nobody's peer`,
      `its agent publishes it: ${agentCure(me)}`,
    );
  }
  if (internalIps.length === 0) {
    broken(
      `Node ${name} has no InternalIP, which others would send to`,
      `give its kubelet --node-ip: kubectl get node ${name} -o wide`,
    );
  }
  if (podCidrs.length === 0) {
    broken(
      `Node ${name} has no podCIDRs`,
      "kube-controller-manager --allocate-node-cidrs --cluster-cidr=RANGE; kubectl describe node says CIDRNotAvailable where the range is used up",
    );
  }
  if (ready?.status !== "True") {
    const why = ready?.message || ready?.reason || "it has never said so";
    flaws.push({
      grade: "warning",
      text: `Node ${name} is not Ready: ${why}`,
      cure: `on ${name}: systemctl status kubelet`,
    });
  }
  const output = [
    `Ready ${ready?.status ?? "not said"}`,
    `${annotation}: ${publicKey ?? "none"}`,
    `InternalIP ${internalIps.join(", ") || "none"}`,
    `podCIDRs ${podCidrs.join(", ") || "none"}`,
  ].join("\n");
  return judged(
    {
      code: "node",
      at: name,
      evidence: [seen(`kubectl get node ${name} -o yaml`, output)],
    },
    flaws,
    `Node ${name} is Ready and has a public key, the InternalIP ${
      internalIps.join(", ")
    } and the podCIDRs ${podCidrs.join(", ")}`,
  );
}

export function agentHop({ me, other, annotation }: Ends): Hop {
  const { node: { name, publicKey }, answer } = me;
  const command = agentCommand(me);
  if (answer.kind === "none") {
    return {
      code: "agent",
      at: name,
      grade: "unknown",
      sentence: `The agent of ${name} cannot be asked: ${answer.why}`,
      evidence: [seen(command, answer.why)],
      cure: agentCure(me),
    };
  }
  const { status } = answer;
  const { version, health } = status;
  const flaws = agentFlaws(status, me);
  if (publicKey !== undefined && publicKey !== status.key.publicKey) {
    flaws.unshift({
      grade: "broken",
      text:
        `The agent of ${name} has the key ${status.key.publicKey}, its Node says ${publicKey}: what peers send it cannot read`,
      cure:
        `the agent publishes its own (annotation ${annotation}); where it does not, on ${name}: clusternet doctor --only rbac,agent-two,key-mismatch`,
    });
  }
  const theirs = versionOf(other);
  if (theirs !== undefined && theirs !== version) {
    flaws.push({
      grade: "warning",
      text:
        `The agent of ${name} is version ${version}, that of ${other.node.name} ${theirs}`,
      cure: "give all Nodes the same one, when the rollout is over",
    });
  }
  const output = [`${version}, ${health.text}`, turnText(status)].join("\n");
  return judged(
    { code: "agent", at: name, evidence: [seen(command, output)] },
    flaws,
    `The agent of ${name} (${version}) answers and is ready: ${health.text}; ${
      turnText(status)
    }`,
  );
}

function agentFlaws(
  { api, health, turn }: Status,
  me: Side,
): Flaw[] {
  const { name } = me.node;
  const warn = (text: string): Flaw => ({
    grade: "warning",
    text,
    cure: agentCure(me),
  });
  const flaws: Flaw[] = [];
  if (!health.ready) {
    const why = health.problems.join("; ") || health.text;
    flaws.push(warn(`The agent of ${name} is not ready: ${why}`));
  }
  if (!api.synced) {
    flaws.push(warn(`The agent of ${name} has no complete list of Nodes yet`));
  }
  if (api.error !== null) {
    flaws.push(
      warn(`The agent of ${name} has trouble with the API: ${api.error}`),
    );
  }
  if (turn !== null && turn.agoSeconds > TURN_SECONDS) {
    flaws.push(warn(
      `The agent of ${name} has looked at nothing for ${
        durationText(turn.agoSeconds)
      }`,
    ));
  }
  return flaws;
}

function turnText({ turn }: Status): string {
  return turn === null
    ? "no turn yet"
    : `last turn ${durationText(turn.agoSeconds)} ago`;
}

function versionOf({ answer }: Side): string | undefined {
  return answer.kind === "status" ? answer.status.version : undefined;
}

/** `undefined`: the agent says nothing. */
export function linkHop({ me, other }: Ends): Hop | undefined {
  const { node: { name }, answer } = me;
  if (answer.kind === "none") return undefined;
  const { link } = answer.status;
  if (link === null) {
    return {
      code: "link",
      at: name,
      grade: "broken",
      sentence: `${name} has no WireGuard link`,
      evidence: [seen(agentCommand(me), "link: none")],
      cure: `the agent makes it; why it does not: ${
        agentCure(me)
      }; on ${name}: clusternet doctor`,
    };
  }
  const flaws: Flaw[] = [];
  if (!link.up) {
    flaws.push({
      grade: "broken",
      text: `The link ${link.name} of ${name} is down`,
      cure: `on ${name}: ip link set ${link.name} up; clusternet doctor`,
    });
  }
  const theirs = portOf(other);
  if (theirs !== undefined && theirs !== link.listenPort) {
    flaws.push({
      grade: "broken",
      text:
        `${name} has the tunnels on UDP ${link.listenPort}, ${other.node.name} on UDP ${theirs}: each sends to its own`,
      cure: "the same --listen-port on all Nodes",
    });
  }
  const mtu = `MTU ${link.mtu ?? "unknown"}`;
  const output = `${link.up ? "UP" : "DOWN"}, ${mtu}, UDP ${link.listenPort}, ${
    link.addresses.join(", ")
  }`;
  return judged(
    {
      code: "link",
      at: name,
      evidence: [seen(`ip -d address show ${link.name}`, output)],
    },
    flaws,
    `The link ${link.name} of ${name} is up, with ${mtu} and UDP ${link.listenPort} (${link.backend})`,
  );
}

export function portOf({ answer }: Side): number | undefined {
  return answer.kind === "status" ? answer.status.link?.listenPort : undefined;
}

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
    const { why } = new Opinions({ answer }).of(to);
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

function readable<T>(
  texts: readonly string[],
  parse: (text: string) => T,
): readonly T[] {
  return texts.flatMap((text) => {
    try {
      return [parse(text)];
    } catch {
      return []; // the finding says so
    }
  });
}

/** How the agent is asked by hand. */
export function agentCommand({ pod, node }: Side): string {
  return pod === null
    ? `kubectl get pods -A -l app.kubernetes.io/name=clusternet --field-selector spec.nodeName=${node.name}`
    : `kubectl -n ${pod.namespace} exec ${pod.name} -- clusternet status`;
}

/** Where an agent's own words are. */
export function agentCure({ pod, node }: Side): string {
  return pod === null
    ? `start the agent on ${node.name} (docs/install.md); where it is a service of the host: journalctl -u clusternet there`
    : `kubectl -n ${pod.namespace} logs ${pod.name}; kubectl -n ${pod.namespace} describe pod ${pod.name}`;
}

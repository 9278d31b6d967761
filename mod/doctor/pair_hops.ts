/**
 * The hops of one end by itself: its Node object, its agent, its link.
 *
 * @module
 */

import type { Status } from "../core/status.ts";
import { durationText } from "../view/units.ts";
import { seen } from "./evidence.ts";
import type { Ends, Hop } from "./pair.ts";
import type { Side } from "./pair_facts.ts";
import {
  agentCommand,
  agentCure,
  type Flaw,
  judged,
  portOf,
} from "./pair_side.ts";

/** Seconds without a turn that are too many: turns come every 30. */
const TURN_SECONDS = 120;

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

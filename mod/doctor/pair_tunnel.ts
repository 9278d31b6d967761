/**
 * The hops in the tunnel. What one end sent and the other received meanwhile
 * tells a filter in one direction from a filter in both, and either from an end
 * that does not answer.
 *
 * @module
 */

import { SESSION_MS } from "../core/traffic.ts";
import { bytesText, durationText } from "../view/units.ts";
import type { Evidence } from "./check.ts";
import { seen } from "./evidence.ts";
import type { Ends, Hop } from "./pair.ts";
import { type Moved, peerOf, type Side } from "./pair_facts.ts";
import { portOf } from "./pair_side.ts";

/** `undefined`: the agent says nothing, or it is no peer. */
export function handshakeHop({ me, other }: Ends): Hop | undefined {
  const name = me.node.name;
  const to = other.node.name;
  const peer = peerOf(me, to);
  if (peer === undefined) return undefined;
  const { handshakeSeconds, probe, receivedBytes, sentBytes } = peer;
  const link = linkName(me);
  const traffic = `sent ${bytesText(sentBytes)}, received ${
    bytesText(receivedBytes)
  } since the peer was made`;
  const age = handshakeSeconds === null
    ? `${name} and ${to} have never shaken hands`
    : `${name} and ${to} have last shaken hands ${
      durationText(handshakeSeconds)
    } ago`;
  const session = handshakeSeconds !== null &&
    handshakeSeconds * 1_000 < SESSION_MS;
  // An old one is no fault where nobody spoke; here somebody just has.
  const grade = session || probe?.answered === true ? "good" : "broken";
  return {
    code: "handshake",
    at: name,
    grade,
    sentence: `${age}; ${traffic}`,
    evidence: [
      seen(
        `wg show ${link} latest-handshakes`,
        handshakeSeconds === null ? "never" : `${handshakeSeconds} s ago`,
      ),
      seen(
        `wg show ${link} transfer`,
        `${receivedBytes} received, ${sentBytes} sent`,
      ),
    ],
    cure: grade === "good" ? "" : "as the probe below says",
  };
}

/** `undefined`: the agent says nothing, or it is no peer. */
export function probeHop(ends: Ends): Hop | undefined {
  const { me, other } = ends;
  const name = me.node.name;
  const to = other.node.name;
  const peer = peerOf(me, to);
  if (peer === undefined) return undefined;
  const { probe, linkAddress } = peer;
  const address = linkAddress ?? "its link";
  const hop = { code: "probe", at: name } as const;
  const command = `ping -c 1 -W 3 ${address}`;
  if (probe === null) {
    return {
      ...hop,
      grade: "unknown",
      sentence: `${name} has not probed ${to}`,
      evidence: [seen(command, "not asked")],
      cure: `on ${name}: ${command}`,
    };
  }
  if (probe.answered) {
    const trip = probe.roundTripMs === null
      ? ""
      : ` in ${probe.roundTripMs} ms`;
    return {
      ...hop,
      grade: "good",
      sentence:
        `A packet from ${name} to ${address}, the link of ${to}, is answered${trip}`,
      evidence: [seen(command, `answered${trip}`)],
      cure: "",
    };
  }
  return {
    ...hop,
    grade: "broken",
    ...silence(ends),
    evidence: [
      seen(command, probe.failure || "no answer"),
      ...counted(me, to),
      ...counted(other, name),
    ],
  };
}

/**
 * - `yes`: what one end sent came to the other
 * - `no`: it sent, and nothing came
 * - `unsent`: it sent nothing
 * - `unknown`: one of them could not be asked
 */
type Reach = "yes" | "no" | "unsent" | "unknown";

function reach(from: Moved | null, to: Moved | null): Reach {
  if (from === null || to === null) return "unknown";
  if (to.receivedBytes > 0) return "yes";
  return from.sentBytes === 0 ? "unsent" : "no";
}

/** Why no answer came, as far as both ends' counters tell. */
function silence({ me, other }: Ends): Pick<Hop, "sentence" | "cure"> {
  const a = me.node.name;
  const b = other.node.name;
  const port = portOf(me) ?? portOf(other);
  const sent = bytesText(me.moved?.sentBytes ?? 0);
  const doctor = (node: string): string => `on ${node}: clusternet doctor`;
  const open = (from: Side, to: Side): string =>
    `open UDP ${port} from ${from.node.internalIps[0] ?? from.node.name} to ${
      to.node.internalIps[0] ?? to.node.name
    } (firewall of either, security group)`;
  const there = reach(me.moved, other.moved);
  const back = reach(other.moved, me.moved);
  switch (there) {
    case "unsent":
      return {
        sentence:
          `${a} sends nothing to ${b}: its packets do not get into the tunnel`,
        cure: `${doctor(a)} (routes, rules, its firewall's output)`,
      };
    case "unknown":
      return unheard({ me, other });
    case "no":
      return back === "yes"
        ? {
          sentence:
            `${a} sends (${sent}), and ${b} receives nothing, while what ${b} sends does come to ${a}: UDP ${port} is filtered in this direction alone`,
          cure: open(me, other),
        }
        : {
          sentence: `${a} sends (${sent}), and ${b} receives nothing` +
            (back === "no"
              ? `; nor does ${a} receive what ${b} sends: UDP ${port} is filtered both ways, or there is no network between the two`
              : ` and sends nothing either`),
          cure: `${open(me, other)}, and back; ping ${
            other.node.internalIps[0] ?? b
          } on ${a}; ${doctor(b)}`,
        };
    case "yes":
      return back === "no"
        ? {
          sentence: `${b} receives what ${a} sends and answers (${
            bytesText(other.moved?.sentBytes ?? 0)
          }), and ${a} receives nothing: UDP ${port} is filtered on the way back alone`,
          cure: open(other, me),
        }
        : {
          sentence: back === "yes"
            ? `The tunnel carries packets both ways, and yet ${b} gives ${a} no answer: a firewall or rp_filter on ${b} drops what comes out of the tunnel, or one on ${a} the answer`
            : `${b} receives what ${a} sends, and sends nothing back: a firewall or rp_filter on ${b} drops what comes out of the tunnel`,
          cure: `${doctor(b)}; nft list ruleset there`,
        };
  }
}

/** Only this end could be asked. */
function unheard(
  { me, other }: Pick<Ends, "me" | "other">,
): Pick<Hop, "sentence" | "cure"> {
  const a = me.node.name;
  const b = other.node.name;
  const why = other.answer.kind === "none"
    ? `; what ${b} sees is not known: ${other.answer.why}`
    : `; ${b} has no such peer`;
  const heard = (me.moved?.receivedBytes ?? 0) > 0
    ? `hears from ${b}, but no answer to its packet`
    : `hears nothing of ${b}`;
  return {
    sentence: `${a} sends (${
      bytesText(me.moved?.sentBytes ?? 0)
    }) and ${heard}${why}`,
    cure: `is ${b} up, and its agent? ping ${
      other.node.internalIps[0] ?? b
    } on ${a}; on ${b}: clusternet doctor`,
  };
}

function counted(side: Side, to: string): readonly Evidence[] {
  if (side.moved === null) return [];
  const { sentBytes, receivedBytes } = side.moved;
  return [
    seen(
      `wg show ${linkName(side)} transfer`,
      `on ${side.node.name}, while both were probing: ${sentBytes} bytes sent to ${to}, ${receivedBytes} received`,
    ),
  ];
}

function linkName({ answer }: Side): string {
  return answer.kind === "status"
    ? answer.status.link?.name ?? "clusternet"
    : "clusternet";
}

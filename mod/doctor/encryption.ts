/**
 * A proof that pods' packets leave a node encrypted: what was sent, what was
 * seen in the tunnel and on the underlay, and what follows from it.
 *
 * @module
 */

export interface PeerProof {
  readonly node: string;
  readonly endpoint: string;
  /** Of its podCIDR, to which they were sent. */
  readonly address: string;
  readonly sent: number;
  /** Seen as they entered the WireGuard link. */
  readonly inTunnel: number;
  /** Seen as they left, as WireGuard's messages of their length to the endpoint. */
  readonly encrypted: number;
  /** By which link those left; "": none did. */
  readonly device: string;
  /** Why not all could be sent; "": they were. */
  readonly failure: string;
}

/** What left in clear for pods of other Nodes. */
export interface ClearPackets {
  readonly device: string;
  /** "UDP 10.0.1.1 > 10.0.2.1". */
  readonly what: string;
  readonly packets: number;
  /** They are those that were sent for this proof. */
  readonly ours: boolean;
}

export interface Proof {
  /** Of looking. */
  readonly seconds: number;
  /** Cluster CIDRs. */
  readonly ranges: readonly string[];
  /** Links that were looked at, without the tunnel's. */
  readonly devices: readonly string[];
  readonly peers: readonly PeerProof[];
  readonly clear: readonly ClearPackets[];
  /** Packets that passed and could not be looked at. */
  readonly unseen: number;
}

/** A row for each peer, what was in clear, and the verdict. */
export function proofText(proof: Proof): string {
  return [
    ...proof.peers.map(peerText),
    ...proof.clear.map(clearText),
    verdict(proof).sentence,
  ].join("\n");
}

function peerText(peer: PeerProof): string {
  const { node, endpoint, address, sent, inTunnel, encrypted } = peer;
  const { device, failure } = peer;
  const by = device === "" ? "" : ` by ${device}`;
  return `${node} (${address}, endpoint ${endpoint}): ${sent} packets sent, ${inTunnel} seen in the tunnel, ${encrypted} left${by} as WireGuard${
    failure === "" ? "" : `; ${failure}`
  }`;
}

function clearText({ device, what, packets, ours }: ClearPackets): string {
  return `IN CLEAR by ${device}: ${what}, ${packets} packets${
    ours ? ", sent for this proof" : ""
  }`;
}

export interface Verdict {
  readonly proven: boolean;
  readonly sentence: string;
}

/** Proven: all that was sent was seen in the tunnel and as WireGuard, and nothing in clear. */
export function verdict(proof: Proof): Verdict {
  const { clear, peers, unseen } = proof;
  const why = leak(clear) ?? unfinished(peers) ?? blind(unseen);
  if (why !== undefined) {
    return { proven: false, sentence: `Not proven: ${why}` };
  }
  const count = new Set(peers.map(({ node }) => node)).size;
  const nodes = count === 1 ? "1 Node" : `${count} Nodes`;
  return {
    proven: true,
    sentence:
      `Proven: all that was sent to the pods' ranges of ${nodes} left encrypted, and in ${proof.seconds} s nothing for ${
        proof.ranges.join(",")
      } left in clear by ${proof.devices.join(", ")}.`,
  };
}

function leak(clear: readonly ClearPackets[]): string | undefined {
  if (clear.length === 0) return undefined;
  const packets = clear.reduce((sum, one) => sum + one.packets, 0);
  const devices = [...new Set(clear.map(({ device }) => device))];
  return `${packets} packets for other Nodes' pods left in clear by ${
    devices.join(", ")
  }; \`clusternet doctor --only route-foreign,route-missing,rule-overrides,nft-table\` tells why.`;
}

function unfinished(peers: readonly PeerProof[]): string | undefined {
  if (peers.length === 0) return "there is no peer to send to.";
  const failed = peers.find(({ failure }) => failure !== "");
  if (failed !== undefined) {
    return `${failed.node} could not be sent to (${failed.failure}); nothing left in clear.`;
  }
  const stray = peers.find(({ sent, inTunnel }) => inTunnel < sent);
  if (stray !== undefined) {
    return `of ${stray.sent} packets to ${stray.node} only ${stray.inTunnel} went into the tunnel; \`clusternet doctor\` tells why.`;
  }
  const lost = peers.find(({ sent, encrypted }) => encrypted < sent);
  if (lost === undefined) return undefined;
  return lost.encrypted === 0
    ? `nothing left for ${lost.node}: WireGuard has no session with it; nothing left in clear either. \`clusternet status\` tells how it is.`
    : `of ${lost.sent} packets to ${lost.node} only ${lost.encrypted} left; nothing left in clear. Try again when the node is less busy.`;
}

function blind(unseen: number): string | undefined {
  if (unseen === 0) return undefined;
  return `${unseen} packets passed too fast to be looked at. Try again when the node is less busy.`;
}

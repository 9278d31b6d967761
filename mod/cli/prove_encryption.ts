/**
 * `clusternet doctor --prove-encryption`: sends packets as a pod's to every peer
 * and watches them enter the tunnel, leave the machine as WireGuard, and nothing
 * leave in clear. Needs no other program, and no agent where the API server
 * answers.
 *
 * @module
 */

import { firstAddress, parsePrefix, type Prefix } from "../core/address.ts";
import { ERRNO, FatalError, KernelError } from "../core/errors.ts";
import { usage } from "../core/flags.ts";
import { parseSocketAddress } from "../core/option_values.ts";
import type { Status } from "../core/status.ts";
import { type Proof, proofText, verdict } from "../doctor/encryption.ts";
import type { Facts } from "../doctor/facts.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { PacketSocket } from "../sys/packet_socket.ts";
import { DISCARD } from "../sys/probe.ts";
import { Rtnetlink } from "../sys/rtnetlink.ts";
import type { Shim } from "../sys/shim.ts";
import type { WantedPackets } from "../wire/packet_filter.ts";
import { Gatherer, type GatherOptions } from "./doctor_facts.ts";
import { Senders, shapeOf, type Target } from "./prove_senders.ts";
import { Witnesses } from "./prove_witnesses.ts";
import { progress } from "./terminal.ts";

/** To each peer. */
const PACKETS = 10;

/** Milliseconds between two to one peer: sent together, they would leave as one. */
const PACE_MS = 10;

/** Milliseconds for the last ones to leave, and for handshakes before the first. */
const SETTLE_MS = 1_000;
const HANDSHAKE_MS = 2_000;

export interface ProveOptions {
  readonly output: string;
  /** The name of one Node; default: all peers. */
  readonly peer: string | undefined;
}

/** @returns the exit code: 0 where it is proven */
export async function proveEncryption(
  surroundings: GatherOptions,
  { output, peer }: ProveOptions,
): Promise<number> {
  const proof = await proofOf(surroundings, peer);
  const { proven, sentence } = verdict(proof);
  console.log(
    output === "json"
      ? JSON.stringify({ schema: 1, proven, sentence, ...proof }, null, 2)
      : proofText(proof),
  );
  return proven ? 0 : 1;
}

/** Says meanwhile what it is at: probes and handshakes take seconds. */
async function proofOf(
  surroundings: GatherOptions,
  peer: string | undefined,
): Promise<Proof> {
  using _said = progress("asking for the peers…");
  const scene = await lookAround(surroundings, peer);
  const { length } = scene.targets;
  progress(
    `sending ${PACKETS} packets to each of ${length} ${
      length === 1 ? "podCIDR" : "podCIDRs"
    }, and watching all links…`,
  );
  return await prove(scene, surroundings);
}

interface Scene {
  readonly targets: readonly Target[];
  readonly own: readonly Prefix[];
  /** Somebody has just sent to all of them: they have their sessions. */
  readonly greeted: boolean;
}

/** By the agent; where none answers, by the API server. */
async function lookAround(
  surroundings: GatherOptions,
  peer: string | undefined,
): Promise<Scene> {
  const { config } = surroundings;
  let status: Status | undefined;
  try {
    status = await askStatus({ link: config.interface, query: "probe=1" });
  } catch { /* no agent: the API server has the same */ }
  const scene = status === undefined
    ? await sceneOfState(surroundings)
    : sceneOfStatus(status);
  const targets = scene.targets.filter(({ node }) =>
    peer === undefined || node === peer
  );
  if (peer !== undefined && targets.length === 0) {
    throw usage(
      `Cannot use --peer ${peer}: no peer has that name; there are ${
        [...new Set(scene.targets.map(({ node }) => node))].join(", ")
      }`,
    );
  }
  return { ...scene, targets };
}

function sceneOfStatus({ node: self, peers }: Status): Scene {
  return {
    own: self.podCidrs.map(parsePrefix),
    greeted: true,
    targets: peers.flatMap(({ node, publicKey, endpoint, podCidrs }) =>
      targetsOf(node ?? publicKey, endpoint, podCidrs.map(parsePrefix))
    ),
  };
}

async function sceneOfState(surroundings: GatherOptions): Promise<Scene> {
  const { state } = await new Gatherer(surroundings).gather(["state"]);
  if (state === undefined || "why" in state) {
    throw new FatalError(
      `Cannot prove encryption: no agent answers, and ${
        state?.why ?? "nobody looked"
      }`,
      1,
    );
  }
  const { self, names, want }: Facts["state"] = state.value;
  return {
    own: (self?.podCidrs ?? []).map(parsePrefix),
    targets: [...want.peers?.values() ?? []].flatMap((peer) => {
      const { allowedIps, endpoint = null, publicKey } = peer;
      return targetsOf(names.get(publicKey) ?? publicKey, endpoint, allowedIps);
    }),
    greeted: false,
  };
}

/** One for each of its podCIDRs. */
function targetsOf(
  node: string,
  endpoint: string | null,
  podCidrs: readonly Prefix[],
): readonly Target[] {
  const at = parseSocketAddress(endpoint ?? "");
  if (at === undefined) return [];
  const { hostname: host, port, text } = at;
  return podCidrs.map((prefix) => ({
    ...{ node, endpoint: text, host, port },
    address: firstAddress(prefix),
  }));
}

async function prove(
  { own, targets, greeted }: Scene,
  { config, shim }: GatherOptions,
): Promise<Proof> {
  const ranges = config.clusterCidrs;
  const links = await new Rtnetlink(shim).links();
  const tunnel = links.find(({ name }) => name === config.interface);
  if (tunnel === undefined) {
    throw new FatalError(
      `Cannot prove encryption: there is no link ${config.interface}; \`clusternet doctor\` tells why`,
      1,
    );
  }
  const devices = links.filter(({ name, up }) =>
    up && name !== "lo" && name !== config.interface
  );
  const shape = shapeOf(own);
  using senders = new Senders(own, shape);
  if (!greeted) {
    await senders.greet(targets);
    await pause(HANDSHAKE_MS);
  }
  const outside: WantedPackets = {
    to: ranges,
    notTo: own,
    port: targets[0]?.port ?? config.listenPort,
    lengths: [...shape.wire.values()],
  };
  const inside: WantedPackets = {
    to: [],
    notTo: [],
    port: DISCARD,
    lengths: [shape.payload.length],
  };
  using witnesses = new Witnesses(targets, { shape, ranges });
  const watch = (name: string, socket: PacketSocket | undefined): boolean => {
    if (socket !== undefined) witnesses.watch(name, socket);
    return socket !== undefined;
  };
  watch("", witnessOn(shim, tunnel.index, inside));
  const watched = devices.filter(({ name, index }) =>
    watch(name, witnessOn(shim, index, outside))
  );
  const started = performance.now();
  for (let round = 0; round < PACKETS; round++) {
    await senders.send(targets);
    await pause(PACE_MS);
    witnesses.look();
  }
  const end = performance.now() + SETTLE_MS;
  while (performance.now() < end && !witnesses.sawAll(PACKETS)) {
    await pause(PACE_MS);
    witnesses.look();
  }
  return {
    seconds: Math.round((performance.now() - started) / 100) / 10,
    ranges,
    devices: watched.map(({ name }) => name),
    peers: targets.map((target) => ({
      node: target.node,
      endpoint: target.endpoint,
      address: target.address,
      ...senders.sentTo(target),
      ...witnesses.seenOf(target),
    })),
    clear: witnesses.clear(),
    unseen: witnesses.unseen(),
  };
}

/** `undefined`: that link has gone since it was listed, as a pod's does. */
function witnessOn(
  shim: Shim,
  index: number,
  wanted: WantedPackets,
): PacketSocket | undefined {
  try {
    return new PacketSocket(shim, index, wanted);
  } catch (cause) {
    if (!(cause instanceof KernelError)) throw cause;
    if (cause.errno === ERRNO.ENODEV) return undefined;
    throw new FatalError(
      `Cannot prove encryption: what leaves this machine may not be seen (${cause.message}); run it as root, with CAP_NET_RAW`,
      1,
      { cause },
    );
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

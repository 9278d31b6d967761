/**
 * What the agent would do at its next look at everything, from a snapshot: the
 * same `desired()` and `plan()` that it runs itself, and why of each step.
 *
 * @module
 */

import type { Prefix } from "./address.ts";
import { PeerTable } from "./advance.ts";
import { type Desired, desired } from "./desired.ts";
import type { PublicKey } from "./key.ts";
import { PeerIndex } from "./peer_index.ts";
import { type Plan, plan } from "./plan.ts";
import { cutOffNode, foreignAtStart } from "./preflight.ts";
import { type Problem, textsOf } from "./problem.ts";
import { makeKeyLine, shellLines } from "./shell_text.ts";
import type { Snapshot } from "./snapshot.ts";
import type { State, Step } from "./state.ts";
import { stepReason } from "./step_reason.ts";
import { stepText } from "./step_text.ts";

/** Of `DryRun.schema`. */
export const DRY_RUN_SCHEMA = 1 as const;

/** What `clusternet plan -o json` prints. */
export interface DryRun {
  readonly schema: typeof DRY_RUN_SCHEMA;
  readonly node: string;
  /** Of the snapshot: RFC 3339, UTC. */
  readonly time: string;
  readonly steps: readonly DryStep[];
  /** Sentences: what is missing or in the way, which no step mends. */
  readonly problems: readonly string[];
  /** Sentences: what is left out for good. */
  readonly notes: readonly string[];
  /** How many peers there should be. */
  readonly peers: number;
}

export interface DryStep {
  readonly kind: string;
  /** As the agent logs it. */
  readonly command: string;
  readonly why: string;
  /** Lines for a shell. */
  readonly shell: readonly string[];
}

/**
 * Stands for the public half of a key that is not made yet: no Node and no link
 * has the point zero.
 */
const NO_KEY = `${"A".repeat(43)}=` as PublicKey;

/** What should be, and whose each key is. */
export interface Wanted extends Desired {
  readonly index: PeerIndex;
}

export type Wants = Omit<Snapshot, "observed">;

export function wantedBy(snapshot: Wants): Wanted {
  const { config, host, linkKind, listed, nodes, time } = snapshot;
  const publicKey = snapshot.publicKey ?? NO_KEY;
  const index = new PeerIndex(config, publicKey);
  if (listed) index.replace(nodes);
  else index.apply(nodes.map((node) => ({ name: node.name, node })));
  const { self } = index;
  const result = desired({
    config,
    publicKey,
    self,
    listed,
    // How long it has been without is known to who watches; how old it is, to all.
    bareMs: self === undefined ? 0 : millisecondsBetween(self.created, time),
    peers: index.peers(),
    ipv6Endpoints: index.ipv6Endpoints,
    host,
    linkKind,
  });
  return { ...result, index };
}

export function dryRun(snapshot: Snapshot): DryRun {
  const { config, publicKey, time } = snapshot;
  const want = wantedBy(snapshot);
  const common = {
    schema: DRY_RUN_SCHEMA,
    node: config.nodeName,
    time,
    notes: want.notes,
    peers: want.state.peers?.size ?? 0,
  };
  const refusal = refusalOf(snapshot, want);
  if (refusal !== undefined) {
    return { ...common, steps: [], problems: [refusal.text] };
  }
  const planned = planOf(snapshot, want);
  const problems = textsOf([...want.waiting, ...planned.blocked]);
  const { observed } = snapshot;
  const compared = { desired: want.state, observed };
  const peers = new PeerTable(
    observed.link === null ? [] : observed.peers ?? [],
  );
  const steps = planned.steps
    // Pods must not start before the network stands.
    .filter(({ kind }) => kind !== "write-conflist" || problems.length === 0)
    .map((step): DryStep => ({
      kind: step.kind,
      command: stepText(step),
      why: stepReason(step, compared),
      shell: shellLines(step, allowedIpsAfter(step, peers)),
    }));
  const key = publicKey === null ? [makeKey(config.privateKeyFile)] : [];
  return { ...common, steps: [...key, ...steps], problems };
}

/** Of the step's peer, once it and those before it are done. */
function allowedIpsAfter(step: Step, peers: PeerTable): readonly Prefix[] {
  if (step.kind !== "peer") return [];
  peers.apply(step.change);
  return peers.peers.get(step.change.publicKey)?.allowedIps ?? [];
}

function planOf(
  { config, observed }: Snapshot,
  { state, index }: Wanted,
): Plan {
  return plan(state, observed, {
    link: config.interface,
    privateKeyFile: config.privateKeyFile,
    cniConfFile: config.cniConfFile,
    nodeOf: (key) => index.nodeOf(key),
  });
}

/** What ends the agent at its start, or keeps it from every write. */
function refusalOf(
  { config, linkKind, observed, publicKey, running }: Snapshot,
  { index }: Wanted,
): Problem | undefined {
  const cut = cutOffNode(config.clusterCidrs, index.self);
  if (cut !== undefined || running) return cut;
  return foreignAtStart(observed, {
    name: config.interface,
    kind: linkKind,
    publicKey: publicKey ?? NO_KEY,
  });
}

function makeKey(file: string): DryStep {
  return {
    kind: "make-key",
    command: `write ${file} (a new private key)`,
    why: "This node has no private key yet",
    shell: [makeKeyLine(file)],
  };
}

/** The names of the settings that are to be read. */
export function sysctlNames({ sysctls }: State): readonly string[] {
  return [...sysctls?.keys() ?? []];
}

function millisecondsBetween(from: string, to: string): number {
  const milliseconds = Date.parse(to) - Date.parse(from);
  return Number.isNaN(milliseconds) ? 0 : Math.max(0, milliseconds);
}

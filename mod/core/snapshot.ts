/**
 * All that a plan is made from, in one value that can be kept in a file: what is
 * configured, the Nodes, the machine and the kernel as they were at one moment.
 * No secret is in it: of the keys the public ones, of the configuration only
 * what links, routes, peers and files are made from.
 *
 * The text is JSON, `schema` first in importance: what is there keeps its name
 * and meaning as long as that is the same. What is read is checked down to each
 * address (`snapshot_schema.ts`); what was written reads back as it was.
 *
 * @module
 */

import type { NetworkConfig } from "./desired.ts";
import type { PublicKey } from "./key.ts";
import type { NodeRecord } from "./node.ts";
import { SNAPSHOT } from "./snapshot_schema.ts";
import type { HostFacts, State } from "./state.ts";

/** Of `Snapshot.schema`. */
export const SNAPSHOT_SCHEMA = 1 as const;

export interface Snapshot {
  readonly schema: typeof SNAPSHOT_SCHEMA;
  /** Of the program that took it: "0.1.0". */
  readonly version: string;
  /** When it was taken: RFC 3339, UTC. */
  readonly time: string;
  /** Did a running agent take it, which has adopted its link? */
  readonly running: boolean;
  readonly config: NetworkConfig;
  /** `null`: there is no private key yet. */
  readonly publicKey: PublicKey | null;
  /** "wireguard" or, for a userspace program's link, "tun". */
  readonly linkKind: string;
  /** Has a complete list of Nodes arrived? */
  readonly listed: boolean;
  readonly nodes: readonly NodeRecord[];
  readonly host: HostFacts;
  readonly observed: State;
}

/** One line. Maps become lists, what is `undefined` is left out. */
export function snapshotText(snapshot: Snapshot): string {
  const { observed, ...rest } = snapshot;
  const { peers, sysctls, ...state } = observed;
  return `${
    JSON.stringify({
      ...rest,
      observed: {
        ...state,
        peers: peers && [...peers.values()],
        sysctls: sysctls && [...sysctls],
      },
    })
  }\n`;
}

/**
 * @throws {SyntaxError} why it is none, as the end of a sentence
 */
export function parseSnapshot(text: string): Snapshot {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || !("schema" in value)) {
    throw new SyntaxError("it is no snapshot of `clusternet plan --save`");
  }
  const { schema, version } = value as { schema: unknown; version?: unknown };
  if (schema !== SNAPSHOT_SCHEMA) {
    throw new SyntaxError(
      `it is of version ${JSON.stringify(version)} and schema ${
        JSON.stringify(schema)
      }, this program reads schema ${SNAPSHOT_SCHEMA}: use the executable of the same version`,
    );
  }
  const { success, data, error } = SNAPSHOT.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const where = issue?.path.map(String).join(".") ?? "";
  throw new SyntaxError(`it is damaged at ${where}: ${issue?.message ?? ""}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The engine's own words quote what may be anything.
    throw new SyntaxError("it is no JSON; is it whole?");
  }
}

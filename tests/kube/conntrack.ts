/**
 * What a node's table of connections says that it translated.
 *
 * @module
 */

import type { Family } from "../lab/plan.ts";
import type { Space } from "../lab/space.ts";

interface Tuple {
  readonly src: string;
  readonly dst: string;
  readonly sport: string;
  readonly dport: string;
}

/** A connection as it came, and as its answers come. */
export interface Connection {
  readonly original: Tuple;
  readonly reply: Tuple;
}

export async function tcpConnections(
  space: Space,
  family: Family,
): Promise<readonly Connection[]> {
  const said = await space.must([
    ...["conntrack", "-L", "-p", "tcp", "-f", `ipv${family}`],
  ]);
  return parseConnections(said);
}

/** Lines of `conntrack -L`; the second of two equal keys is of the answers. */
export function parseConnections(text: string): readonly Connection[] {
  return text.split("\n").flatMap((line) => {
    const [original, reply] = ["src", "dst", "sport", "dport"].reduce(
      ([first, second], key) => {
        const [one, two] = [...line.matchAll(new RegExp(` ${key}=(\\S+)`, "g"))]
          .map(([, value]) => value ?? "");
        return [{ ...first, [key]: one }, { ...second, [key]: two }] as const;
      },
      [{}, {}] as readonly [Partial<Tuple>, Partial<Tuple>],
    );
    return isTuple(original) && isTuple(reply) ? [{ original, reply }] : [];
  });
}

function isTuple(tuple: Partial<Tuple>): tuple is Tuple {
  return [tuple.src, tuple.dst, tuple.sport, tuple.dport].every((each) =>
    each !== undefined
  );
}

/** How often an address was replaced on the way. */
export interface Translations {
  readonly source: number;
  readonly destination: number;
}

/** Follows the connection that its client began on that port, from node to node. */
export function translations(
  nodes: readonly (readonly Connection[])[],
  clientPort: number,
): Translations {
  const rest = nodes.map((connections) => [...connections]);
  let [source, destination] = [0, 0];
  let at = takeFirst(
    rest,
    ({ original }) => original.sport === String(clientPort),
  );
  while (at !== undefined) {
    const { original, reply } = at;
    if (reply.dst !== original.src) source++;
    if (reply.src !== original.dst) destination++;
    at = takeFirst(rest, (next) =>
      next.original.src === reply.dst &&
      next.original.sport === reply.dport &&
      next.original.dst === reply.src);
  }
  return { source, destination };
}

/** Each node is passed once. */
function takeFirst(
  nodes: Connection[][],
  is: (connection: Connection) => boolean,
): Connection | undefined {
  for (const connections of nodes) {
    const found = connections.find(is);
    if (found === undefined) continue;
    connections.length = 0;
    return found;
  }
  return undefined;
}

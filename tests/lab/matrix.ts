/**
 * Who reaches whom: pings from each pod, and from each node's own namespace, to
 * the pods; small ones, and ones of exactly the link's MTU that must not be
 * fragmented. A cell is good when every ping of it was answered.
 *
 * @module
 */

import { Random } from "../support/random.ts";
import { inTurns, SHELL } from "./exec.ts";
import type { LabNode, Pod } from "./node.ts";
import { type Family, familyOf } from "./plan.ts";

export type CellKind =
  | "pod, same node"
  | "pod, other node"
  | "node to remote pod";

export interface Source {
  /** "n1/a" for a pod, "n1" for the node itself. */
  readonly label: string;
  readonly node: LabNode;
  readonly pod: Pod | undefined;
}

export interface Cell {
  readonly from: Source;
  readonly to: Pod;
  readonly family: Family;
  readonly kind: CellKind;
}

export interface CellResult extends Cell {
  /** Best round trip in ms of the small pings; `undefined`: not all were answered. */
  readonly small: number | undefined;
  /** The same for pings of exactly the MTU. */
  readonly full: number | undefined;
  /** Bytes of the large ones, IP header included. */
  readonly mtu: number;
  /** What ping printed. */
  readonly said: string;
}

/** Up to this many nodes every cell is tried; beyond, so many of each kind. */
export const ALL_CELLS_UP_TO = 6;
const SAMPLE: Readonly<Record<CellKind, number>> = {
  "pod, same node": 60,
  "pod, other node": 300,
  "node to remote pod": 150,
};

export interface Choice {
  readonly cells: readonly Cell[];
  /** How many there would be. */
  readonly all: number;
}

/** Every cell for small labs; a draw from the seed, with each node in it, for large ones. */
export function chooseCells(
  nodes: readonly LabNode[],
  seed: number,
): Choice {
  const cells = allCells(nodes);
  if (nodes.length <= ALL_CELLS_UP_TO) return { cells, all: cells.length };
  const random = new Random(seed);
  const chosen = new Set<Cell>();
  for (const kind of Object.keys(SAMPLE) as CellKind[]) {
    const drawn = random.shuffle(cells.filter((cell) => cell.kind === kind));
    for (const cell of sample(drawn, SAMPLE[kind])) chosen.add(cell);
  }
  return { cells: cells.filter((cell) => chosen.has(cell)), all: cells.length };
}

/** The first cell from each source, the first to each pod, then as they come. */
function sample(drawn: readonly Cell[], size: number): readonly Cell[] {
  const from = new Set<string>();
  const to = new Set<string>();
  const first = drawn.filter((cell) => {
    const isNew = !from.has(cell.from.label) || !to.has(cell.to.name);
    from.add(cell.from.label);
    to.add(cell.to.name);
    return isNew;
  });
  const rest = drawn.filter((cell) => !first.includes(cell));
  return [...first, ...rest.slice(0, Math.max(0, size - first.length))];
}

export function allCells(nodes: readonly LabNode[]): readonly Cell[] {
  const pods = nodes.flatMap((node) => node.pods);
  const sources: Source[] = [
    ...pods.map((pod) => ({ label: podLabel(pod), node: pod.node, pod })),
    ...nodes.map((node) => ({ label: node.name, node, pod: undefined })),
  ];
  return sources.flatMap((from) =>
    pods.flatMap((to) => {
      if (to === from.pod) return [];
      if (from.pod === undefined && to.node === from.node) return [];
      const kind: CellKind = from.pod === undefined
        ? "node to remote pod"
        : to.node === from.node
        ? "pod, same node"
        : "pod, other node";
      return to.addresses.map((address) => ({
        from,
        to,
        kind,
        family: familyOf(address),
      }));
    })
  );
}

export function podLabel(pod: Pod): string {
  return pod.name.replace("-", "/");
}

/** Pings each cell: `count` small ones, then as many large ones, all to be answered. */
export async function measure(
  cells: readonly Cell[],
  options: { readonly count?: number; readonly atOnce?: number } = {},
): Promise<readonly CellResult[]> {
  const { count = 3, atOnce = 3 } = options;
  const bySource = Map.groupBy(cells, (cell) => cell.from.label);
  const mtus = new Map<LabNode, number>();
  for (const node of new Set(cells.map((cell) => cell.from.node))) {
    mtus.set(node, await node.mtu());
  }
  const results = await inTurns(
    [...bySource.values()],
    (row) => measureRow(row, count, mtus),
    atOnce,
  );
  return results.flat();
}

/** Bytes of IP and ICMP header around what `ping -s` counts. */
const HEADERS: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };

/**
 * One shell in the source's namespace for all of its cells. A process for each
 * ping: of several packets, ping(8) gives up on the last two round trips after
 * the first reply, however long it is told to wait.
 */
async function measureRow(
  row: readonly Cell[],
  count: number,
  mtus: ReadonlyMap<LabNode, number>,
): Promise<CellResult[]> {
  const [first] = row;
  if (first === undefined) return [];
  const { node, pod } = first.from;
  const mtu = mtus.get(node) ?? 0;
  const pings = row.flatMap(({ to, family }) => {
    const address = to.addresses.find((each) => familyOf(each) === family) ??
      "";
    const ping = `ping -n -c 1 -W ${PATIENCE_SECONDS}`;
    const size = mtu - HEADERS[family];
    return [
      `${ping} -s 56 ${address}`,
      `${ping} -M do -s ${size} ${address}`,
    ];
  });
  const script = pings.map((ping) =>
    `${`${ping} 2>&1 && `.repeat(count)}true; echo ${RULER}`
  ).join("\n");
  const { stdout } = await node.space.run([SHELL, "-c", script], {
    pod: pod?.name,
  });
  const said = stdout.split(`${RULER}\n`);
  return row.map((cell, index) => ({
    ...cell,
    mtu,
    small: roundTrip(said[index * 2], count),
    full: roundTrip(said[index * 2 + 1], count),
    said: said.slice(index * 2, index * 2 + 2).join(""),
  }));
}

/** WireGuard tries again after 5 s where two handshakes have crossed. */
const PATIENCE_SECONDS = 12;
const RULER = "======";

/** Best round trip in ms of `count` pings; `undefined` unless all were answered. */
export function roundTrip(
  said: string | undefined,
  count: number,
): number | undefined {
  const times = [...(said ?? "").matchAll(/ time=([\d.]+) ms/g)]
    .map(([, time]) => Number(time));
  return times.length === count ? Math.min(...times) : undefined;
}

export function isGood(result: CellResult): boolean {
  return result.small !== undefined && result.full !== undefined;
}

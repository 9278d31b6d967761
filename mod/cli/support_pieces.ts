/**
 * What goes into a support bundle, piece by piece: each is asked for by itself,
 * within bounds, and one that cannot be had is named with the reason.
 *
 * @module
 */

import { dirname } from "node:path";
import type { Config } from "../core/config.ts";
import { dryRun } from "../core/dry_run.ts";
import { type Snapshot, snapshotText } from "../core/snapshot.ts";
import type { Diagnosis } from "../doctor/check.ts";
import { diagnosisJson, diagnosisText } from "../doctor/text.ts";
import { askAgent } from "../sys/agent_socket.ts";
import { CNI_CONFIGURATION } from "../sys/cni_directories.ts";
import { listingOf, textsIn } from "../sys/support_files.ts";
import { planText } from "../view/plan_text.ts";
import type { Piece } from "./support_piece.ts";
import { programOutput } from "./support_programs.ts";
import { networkPieces } from "./support_network.ts";
import { systemPieces } from "./support_system.ts";
import { versionText } from "./version.ts";
import type { BuildInfo } from "../core/version.ts";

/** What only they know, and what to say where they are not installed. */
const PROGRAMS: readonly (readonly [
  name: string,
  command: string,
  without: string,
])[] = [
  [
    ...["agent/journal.txt", "journalctl -u clusternet -n 2000 --no-pager"],
    "there is no journalctl here; what an agent in a pod has logged is what `kubectl logs` prints",
  ] as const,
  [
    ...["agent/unit.txt", "systemctl status clusternet --no-pager -n 0"],
    "there is no systemctl here; an agent in a pod has a DaemonSet instead of a unit",
  ] as const,
];

export interface PiecesOptions {
  readonly build: BuildInfo;
  readonly config: Config;
  /** Rejects where there is none to be had. */
  readonly snapshot: Promise<Snapshot>;
  /** Asked for twice, made once: it sends packets to all peers. */
  readonly diagnosis: () => Promise<Diagnosis>;
}

export function pieces(options: PiecesOptions): readonly Piece[] {
  const { build, config, diagnosis, snapshot } = options;
  const link = config.interface;
  const netDir = dirname(config.cniConfFile || "/etc/cni/net.d/x");
  return [
    { name: "version.txt", text: () => Promise.resolve(versionText(build)) },
    { name: "configuration.json", text: () => Promise.resolve(shown(config)) },
    {
      name: "status.json",
      keep: "all",
      text: () => askAgent({ link, path: "/v1/status" }),
    },
    { name: "ready.txt", text: () => askAgent({ link, path: "/readyz" }) },
    {
      name: "snapshot.json",
      keep: "all",
      text: async () => snapshotText(await snapshot),
    },
    { name: "plan.txt", text: async () => planText(dryRun(await snapshot)) },
    {
      name: "doctor.txt",
      text: async () => `${diagnosisText(await diagnosis())}\n`,
    },
    {
      name: "doctor.json",
      keep: "all",
      text: async () => `${diagnosisJson(await diagnosis())}\n`,
    },
    ...systemPieces(config),
    ...networkPieces(config),
    ...PROGRAMS.map(([name, command, without]): Piece => {
      const keep = command.startsWith("journalctl") ? "last" : "first";
      return {
        name,
        keep,
        text: async () => {
          const said = await programOutput(command, keep);
          if (said === undefined) throw new Error(without);
          return said;
        },
      };
    }),
    { name: "cni/files.txt", text: () => listingOf(netDir) },
    {
      name: "cni/configurations.txt",
      text: () => textsIn(netDir, CNI_CONFIGURATION),
    },
  ];
}

/** All of it: the files that it names are not read. */
function shown(config: Config): string {
  return `${JSON.stringify(config, null, 2)}\n`;
}

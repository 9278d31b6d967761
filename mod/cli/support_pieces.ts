/**
 * What goes into a support bundle, piece by piece: each is asked for by itself,
 * within bounds, and one that cannot be had is named with the reason.
 *
 * @module
 */

import { dirname } from "node:path";
import type { Config } from "../core/config.ts";
import { dryRun } from "../core/dry_run.ts";
import { errorText } from "../core/errors.ts";
import { redacted } from "../core/redact.ts";
import { type Snapshot, snapshotText } from "../core/snapshot.ts";
import type { Diagnosis } from "../doctor/check.ts";
import { diagnosisJson, diagnosisText } from "../doctor/text.ts";
import { askAgent } from "../sys/agent_socket.ts";
import { planText } from "../view/plan_text.ts";
import { versionText } from "./version.ts";
import type { BuildInfo } from "../core/version.ts";

export interface Piece {
  readonly name: string;
  /** Which part of a long one counts: "first" by default. "all": it is of use as a whole only. */
  readonly keep?: "first" | "last" | "all";
  /** @throws {Error} why it cannot be had */
  text(): Promise<string>;
}

/** Characters of one piece. */
export const PIECE_LENGTH = 1024 * 1024;

/** Of what a program prints so much is held, and looked through for secrets: one that is cut in two is none that we know. */
const HELD_BYTES = 8 * PIECE_LENGTH;

/** Milliseconds that a program has. */
const PROGRAM_MS = 10_000;

/** By name; each is looked up in the service's PATH. */
const PROGRAMS: readonly (readonly [name: string, command: string])[] = [
  ["system/uname.txt", "uname -a"],
  ["system/os-release.txt", "cat /etc/os-release"],
  ["system/mounts.txt", "cat /proc/mounts"],
  ["system/limits.txt", "cat /proc/self/limits"],
  ["system/memory.txt", "cat /proc/meminfo"],
  ["system/modules.txt", "cat /proc/modules"],
  ["network/links.txt", "ip -d -s link show"],
  ["network/addresses.txt", "ip address show"],
  ["network/rules.txt", "ip rule show"],
  ["network/routes-4.txt", "ip -4 route show table all"],
  ["network/routes-6.txt", "ip -6 route show table all"],
  ["network/wireguard.txt", "wg show"],
  ["network/nftables.txt", "nft list ruleset"],
  ["network/sysctl.txt", "sysctl -a --pattern ^net[.]ipv[46]"],
  ["network/sockets.txt", "ss -ulpn"],
  ["agent/journal.txt", "journalctl -u clusternet -n 2000 --no-pager"],
  ["agent/unit.txt", "systemctl status clusternet --no-pager -n 0"],
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
    ...PROGRAMS.map(([name, command]): Piece => {
      const keep = command.startsWith("journalctl") ? "last" : "first";
      return { name, keep, text: () => output(command.split(" "), keep) };
    }),
    { name: "cni/files.txt", text: () => output(["ls", "-laR", netDir]) },
    {
      name: "cni/configurations.txt",
      text: () =>
        output([
          ...["sh", "-c", 'tail -n +1 "$1"/*.conf "$1"/*.conflist', "sh"],
          netDir,
        ]),
    },
  ];
}

/** All of it: the files that it names are not read. */
function shown(config: Config): string {
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Of both outputs, with what was run above them. */
async function output(
  [program = "", ...args]: readonly string[],
  keep: "first" | "last" = "first",
): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    env: { LC_ALL: "C", WG_HIDE_KEYS: "always" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(PROGRAM_MS),
  }).spawn();
  const [stdout, stderr, { code }] = await Promise.all([
    held(child.stdout, keep),
    held(child.stderr, keep),
    child.status,
  ]);
  const ended = code === 0 ? "" : `(exit code ${code})\n`;
  return `$ ${[program, ...args].join(" ")}\n${stdout}${stderr}${ended}`;
}

/** The beginning or the end of it; all is read, so that the program ends by itself. */
async function held(
  stream: ReadableStream<Uint8Array>,
  keep: "first" | "last",
): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    if (keep === "first" && length >= HELD_BYTES) continue;
    parts.push(part);
    length += part.length;
    while (keep === "last" && length - (parts[0]?.length ?? 0) >= HELD_BYTES) {
      length -= parts.shift()?.length ?? 0;
    }
  }
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") +
    decoder.decode();
}

/**
 * Without secrets, and only then cut. One that cannot be had says so in its
 * place.
 */
export async function textOf(
  piece: Piece,
  secrets: readonly string[],
): Promise<string> {
  try {
    return bounded(piece, redacted(await piece.text(), secrets));
  } catch (error) {
    return redacted(`(not to be had: ${errorText(error)})\n`, secrets);
  }
}

/** At whole lines, where there are any. */
function bounded({ keep = "first" }: Piece, text: string): string {
  if (keep === "all" || text.length <= PIECE_LENGTH) return text;
  const note = `(cut: ${text.length} characters)\n`;
  if (keep === "first") {
    const end = text.lastIndexOf("\n", PIECE_LENGTH - 1) + 1;
    return text.slice(0, end || PIECE_LENGTH) + note;
  }
  const start = text.length - PIECE_LENGTH;
  return note + text.slice(text.indexOf("\n", start - 1) + 1 || start);
}

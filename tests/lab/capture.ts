/**
 * A witness on the underlay's bridge: tcpdump in its namespace sees each frame
 * between nodes once, and each is counted by its kind. Invariant: a frame that
 * was not seen is not counted as good: what the kernel dropped is said.
 *
 * pcap file format (pcap-savefile(5)), from tcpdump's standard output:
 * ```
 * ┌ 24 ────┬ 16 ─────────────────────────┬ captured ┬ 16 …
 * │ header │ s, µs, captured, on the wire │ frame    │
 * └────────┴──────────────────────────────┴──────────┴────
 * ```
 *
 * @module
 */

import type { Prefix } from "../../mod/core/address.ts";
import { Child } from "./exec.ts";
import { classifyFrame, type FrameRules } from "./frames.ts";
import type { Space } from "./space.ts";
import { BRIDGE } from "./underlay.ts";

const MAGIC = 0xa1b2c3d4;

/** Enough for two IPv6 headers and what an ICMP error quotes. */
const SNAP_BYTES = 192;

export interface CaptureReport {
  /** Frames by kind. */
  readonly kinds: ReadonlyMap<string, number>;
  /** Frames with an address of the cluster in clear, by kind and address. */
  readonly clear: ReadonlyMap<string, number>;
  readonly frames: number;
  /** Frames that the kernel could not hand over. */
  readonly dropped: number;
}

/** Splits a pcap stream into frames and counts them. */
export class FrameCounter {
  readonly kinds = new Map<string, number>();
  readonly clear = new Map<string, number>();
  frames = 0;
  readonly #rules: FrameRules;
  #rest: Uint8Array = new Uint8Array();
  #headerSeen = false;

  constructor(rules: FrameRules) {
    this.#rules = rules;
  }

  /** @throws {SyntaxError} when it is no pcap of this machine's byte order */
  take(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const view = new DataView(all.buffer);
    let at = 0;
    if (!this.#headerSeen && all.length >= 24) {
      if (view.getUint32(0, true) !== MAGIC) {
        throw new SyntaxError("Cannot read the capture: it is no pcap");
      }
      this.#headerSeen = true;
      at = 24;
    }
    while (this.#headerSeen && all.length - at >= 16) {
      const length = view.getUint32(at + 8, true);
      if (all.length - at - 16 < length) break;
      this.#count(all.subarray(at + 16, at + 16 + length));
      at += 16 + length;
    }
    this.#rest = all.slice(at);
  }

  #count(frame: Uint8Array): void {
    const { kind, podAddresses } = classifyFrame(frame, this.#rules);
    this.frames++;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    if (podAddresses.length === 0) return;
    const what = `${kind} with ${podAddresses.join(" and ")}`;
    this.clear.set(what, (this.clear.get(what) ?? 0) + 1);
  }
}

export interface CaptureOptions {
  readonly clusterCidrs: readonly Prefix[];
  readonly apiPort: number;
  readonly wireguardPort?: number;
}

export class Capture {
  readonly #counter: FrameCounter;
  readonly #tcpdump: Child;

  private constructor(counter: FrameCounter, tcpdump: Child) {
    this.#counter = counter;
    this.#tcpdump = tcpdump;
  }

  /** Resolves once nothing more can pass unseen. */
  static async start(
    underlay: Space,
    options: CaptureOptions,
  ): Promise<Capture> {
    const { clusterCidrs, apiPort, wireguardPort = 7838 } = options;
    const counter = new FrameCounter({ clusterCidrs, apiPort, wireguardPort });
    const tcpdump = new Child(
      "tcpdump",
      underlay.command([
        ...["tcpdump", "-i", BRIDGE, "-n", "-s", String(SNAP_BYTES)],
        ...["-B", "8192", "-Z", "root", "--immediate-mode", "-U", "-w", "-"],
      ]),
      { onBytes: (bytes) => counter.take(bytes) },
    );
    await tcpdump.line(/listening on/);
    return new Capture(counter, tcpdump);
  }

  /** Counts so far. */
  get frames(): number {
    return this.#counter.frames;
  }

  async stop(): Promise<CaptureReport> {
    // tcpdump throws away what the kernel holds for it when it is interrupted.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await this.#tcpdump.stop("SIGINT");
    const said = this.#tcpdump.lines.join("\n");
    const { kinds, clear, frames } = this.#counter;
    const dropped = Number(said.match(/(\d+) packets? dropped by kernel/)?.[1]);
    return { kinds, clear, frames, dropped };
  }
}

/** Nothing in clear, nothing missed, and something seen. */
export function isProof(report: CaptureReport): boolean {
  return report.clear.size === 0 && report.dropped === 0 &&
    (report.kinds.get("WireGuard") ?? 0) > 0;
}

/** "5,412 WireGuard, 388 API, 24 ARP/ND; 0 with a pod address; 0 missed". */
export function captureText(report: CaptureReport): string {
  const usual = ["WireGuard", "API", "ARP/ND"];
  const other = [...report.kinds.keys()].filter((kind) =>
    !usual.includes(kind)
  );
  const counts = [...usual, ...other.sort()].map((kind) =>
    `${(report.kinds.get(kind) ?? 0).toLocaleString("en")} ${kind}`
  );
  const clear = [...report.clear.values()].reduce((a, b) => a + b, 0);
  const dropped = Number.isNaN(report.dropped)
    ? "an unknown number"
    : report.dropped;
  const lines = [
    `${
      counts.join(", ")
    }; ${clear} with a pod address (${dropped} dropped by the kernel)`,
    ...[...report.clear].map(([what, count]) => `  in clear: ${count} ${what}`),
  ];
  return lines.join("\n");
}

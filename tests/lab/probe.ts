/**
 * A steady stream of numbered UDP packets from one place to another, to count what is lost
 * while something is done to the path. Invariant: a packet is lost, whether the kernel refused
 * to send it or it never came; one that came and found the receiver's socket full, since this
 * machine was busy, is not, and is reported apart.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { Child } from "./exec.ts";

/** What `probe_main.ts send` prints at its end. */
export interface SenderReport {
  /** Packets tried, numbered from 0. */
  readonly sent: number;
  /** Of these, what send(2) refused, by its message. */
  readonly refused: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** What `probe_main.ts receive` prints at its end. */
export interface ReceiverReport {
  /** First and last number of each run without a gap. */
  readonly received: readonly (readonly [number, number])[];
  readonly duplicates: number;
  /** Packets that found no room in the socket. */
  readonly overflowed: number;
}

export interface ProbeReport extends SenderReport, ReceiverReport {
  readonly lost: number;
}

export interface ProbeOptions {
  /** Where the packets start and end: puts a command into that place. */
  readonly from: (command: readonly string[]) => readonly string[];
  readonly to: (command: readonly string[]) => readonly string[];
  /** Address of the far end. */
  readonly address: string;
  /** Packets a second; 1,000 by default. */
  readonly rate?: number;
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export class Probe implements AsyncDisposable {
  readonly #sender: Child;
  readonly #receiver: Child;

  private constructor(sender: Child, receiver: Child) {
    this.#sender = sender;
    this.#receiver = receiver;
  }

  /** Resolves once packets flow. */
  static async start(options: ProbeOptions): Promise<Probe> {
    const { from, to, address, rate = 1000, port = 7007, env = {} } = options;
    const receiver = new Child(
      "the probe's receiver",
      to(program("receive", String(port))),
      { env },
    );
    await receiver.line(/^at work$/, { withinMs: 30_000 });
    const sender = new Child(
      "the probe's sender",
      from(program("send", address, String(port), String(rate))),
      { env },
    );
    await sender.line(/^at work$/, { withinMs: 30_000 });
    return new Probe(sender, receiver);
  }

  /** Ends both; packets on their way have a second to arrive. */
  async stop(): Promise<ProbeReport> {
    const sender = await lastLine<SenderReport>(this.#sender);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const receiver = await lastLine<ReceiverReport>(this.#receiver);
    const arrived = receiver.received
      .reduce((sum, [first, last]) => sum + last - first + 1, 0);
    return {
      ...sender,
      ...receiver,
      lost: sender.sent - arrived - receiver.overflowed,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.#sender.stop("SIGKILL"),
      this.#receiver.stop("SIGKILL"),
    ]);
  }
}

async function lastLine<Report>(child: Child): Promise<Report> {
  await child.stop("SIGTERM", 10_000);
  try {
    return JSON.parse(child.lines.at(-1) ?? "") as Report;
  } catch (cause) {
    throw new Error(
      `Cannot read the report of ${child.name}: ${
        child.lines.slice(-3).join(" | ")
      }`,
      { cause },
    );
  }
}

function program(...args: readonly string[]): readonly string[] {
  return [
    Deno.execPath(),
    ...["run", "--allow-all", "--no-prompt", "--quiet"],
    fileURLToPath(new URL("./probe_main.ts", import.meta.url)),
    ...args,
  ];
}

/** "8,003 of 8,003 packets in 8.1 s: 0 lost", and where the gaps are. */
export function probeText(report: ProbeReport): string {
  const { sent, lost, overflowed, duplicates, refused, received } = report;
  const gaps = received.slice(1).map(([first], index) =>
    `${(received[index]?.[1] ?? 0) + 1}–${first - 1}`
  );
  return [
    `${lost} of ${sent} packets lost in ${report.seconds.toFixed(1)} s`,
    ...Object.entries(refused).map(([why, count]) =>
      `${count} refused: ${why}`
    ),
    ...(overflowed > 0 ? [`${overflowed} came to a full socket`] : []),
    ...(duplicates > 0 ? [`${duplicates} came twice`] : []),
    ...(gaps.length > 0 ? [`gaps: ${gaps.slice(0, 5).join(", ")}`] : []),
  ].join("; ");
}

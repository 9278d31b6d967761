/**
 * A collector of traces in a node of the lab, and what it has been sent.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { Child } from "./exec.ts";
import type { LabNode } from "./node.ts";

export interface CollectedSpan {
  /** In which it was sent. */
  readonly encoding: "json" | "protobuf";
  /** Who opened it: "clusternet", or "deno" itself. */
  readonly scope: string;
  readonly name: string;
  readonly trace: string;
  readonly id: string;
  /** "": none. */
  readonly parent: string;
  readonly milliseconds: number;
  /** `undefined`: all went well. */
  readonly error: string | undefined;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Of whoever sent it. */
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

export const COLLECTOR = "http://127.0.0.1:4318";

/** Takes connections, and never says a word. */
export const SILENT_COLLECTOR = "http://127.0.0.1:4319";

export class Collector {
  readonly child: Child;

  private constructor(child: Child) {
    this.child = child;
  }

  static async start(node: LabNode): Promise<Collector> {
    const program = fileURLToPath(
      new URL("./collector_main.ts", import.meta.url),
    );
    const child = new Child(
      `collector of ${node.name}`,
      node.space.command([
        ...[Deno.execPath(), "run", "--allow-net", "--cached-only"],
        ...["--no-prompt", "--quiet", program],
      ]),
      { env: node.settings.env },
    );
    await child.line(/^ready$/);
    return new Collector(child);
  }

  spans(): readonly CollectedSpan[] {
    return this.child.lines.filter((line) => line.startsWith("span "))
      .map((line) => JSON.parse(line.slice("span ".length)));
  }

  async stop(): Promise<void> {
    await this.child.stop("SIGKILL");
  }
}

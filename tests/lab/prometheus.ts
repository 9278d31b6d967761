/**
 * A real Prometheus in a node of the lab: it scrapes agents, keeps what it got in
 * a directory of its own, and is asked by its HTTP API.
 *
 * @module
 */

import { tempDir } from "../support/temp_dir.ts";
import { Child } from "./exec.ts";
import { eventually, patience } from "./harness.ts";
import type { LabNode } from "./node.ts";

/** A result of an instant query. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value as text. */
  readonly value: readonly [number, string];
}

export interface Target {
  readonly health: string;
  readonly lastError: string;
  readonly scrapeUrl: string;
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: "pending" | "firing";
}

export interface PrometheusOptions {
  /** The text of the rules, with durations that a test can wait for. */
  readonly rules: string;
  /** `host:port` each. */
  readonly targets: readonly string[];
}

const ADDRESS = "127.0.0.1:9090";

export class Prometheus implements AsyncDisposable {
  readonly child: Child;
  readonly #node: LabNode;
  readonly #dir: AsyncDisposable;

  private constructor(node: LabNode, child: Child, dir: AsyncDisposable) {
    this.#node = node;
    this.child = child;
    this.#dir = dir;
  }

  static async start(
    node: LabNode,
    { rules, targets }: PrometheusOptions,
  ): Promise<Prometheus> {
    const dir = await tempDir();
    const file = `${dir.path}/prometheus.yaml`;
    await Deno.writeTextFile(`${dir.path}/rules.yaml`, rules);
    await Deno.writeTextFile(file, configText(targets));
    const child = new Child(
      "Prometheus",
      node.space.command([
        ...["prometheus", "--config.file", file],
        ...["--storage.tsdb.path", `${dir.path}/data`],
        ...["--web.listen-address", ADDRESS],
      ]),
      { env: node.settings.env },
    );
    const prometheus = new Prometheus(node, child, dir);
    try {
      await child.line(/Server is ready to receive/, {
        withinMs: patience(20_000),
      });
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
    return prometheus;
  }

  /** What an expression gives now. */
  async query(expr: string): Promise<readonly Series[]> {
    const { result } = await this.#data(
      `query?query=${encodeURIComponent(expr)}`,
    ) as { readonly result: readonly Series[] };
    return result;
  }

  /** The first answer that holds as many series as are wanted. */
  async until(expr: string, count: number): Promise<readonly Series[]> {
    return await eventually(`${expr} gives ${count}`, async () => {
      const series = await this.query(expr);
      return series.length === count ? series : undefined;
    }, patience(20_000));
  }

  async targets(): Promise<readonly Target[]> {
    const { activeTargets } = await this.#data("targets") as {
      readonly activeTargets: readonly Target[];
    };
    return activeTargets;
  }

  async alerts(): Promise<readonly Alert[]> {
    const { alerts } = await this.#data("alerts") as {
      readonly alerts: readonly Alert[];
    };
    return alerts;
  }

  async #data(path: string): Promise<unknown> {
    const text = await httpGet(this.#node, ADDRESS, `/api/v1/${path}`);
    return JSON.parse(text).data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop("SIGKILL");
    await this.#dir[Symbol.asyncDispose]();
  }
}

/** The body of what a server in the node answers. */
export async function httpGet(
  { space }: LabNode,
  address: string,
  path: string,
): Promise<string> {
  const [host, port] = address.split(":");
  // HTTP/1.0: in one piece.
  const request = `GET ${path} HTTP/1.0\r\nHost: ${address}\r\n\r\n`;
  const text = await space.must([
    ...["bash", "-c", 'exec 3<>"$0" && printf %s "$1" >&3 && cat <&3'],
    ...[`/dev/tcp/${host}/${port}`, request],
  ]);
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

function configText(targets: readonly string[]): string {
  return JSON.stringify({
    global: { scrape_interval: "500ms", evaluation_interval: "500ms" },
    rule_files: ["rules.yaml"],
    scrape_configs: [{
      job_name: "clusternet",
      static_configs: [{ targets }],
    }],
  });
}

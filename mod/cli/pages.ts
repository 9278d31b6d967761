/**
 * What the agent answers to whom: one table of pages, on the socket of this
 * machine's root and on the loopback's port.
 *
 * @module
 */

import type { Overview } from "../agent/overview.ts";
import type { Health } from "../agent/health.ts";
import type { Historian } from "../agent/historian.ts";
import type { Nodes } from "../agent/nodes.ts";
import type { SnapshotOptions } from "../agent/snapshot.ts";
import type { Clock } from "../core/clock.ts";
import type { History } from "../core/history.ts";
import type { Status } from "../core/status.ts";
import type { MetricsPage, MetricsPageOptions } from "./metrics_page.ts";
import {
  type Page,
  type PageRequest,
  type Pages,
  plain,
} from "../sys/http_server.ts";

/** Milliseconds without a turn after which only a restart helps: turns come every 30 s. */
const STUCK_MS = 120_000;

/** Milliseconds for which a look at all of the kernel tells of now: it comes every 30 s. */
const VERIFIED_MS = 60_000;

export const METRICS_PATH = "/metrics";

export interface PagesOptions extends MetricsPageOptions {
  readonly clock: Clock;
  readonly health: Health;
  readonly historian: Historian;
  readonly history: History;
  readonly overview: Overview;
}

/** By path. */
export type PageTable = Readonly<
  Record<string, (request: PageRequest) => Page | Promise<Page>>
>;

export function agentPages(options: PagesOptions): PageTable {
  const { clock, health, overview } = options;
  const born = clock.now();
  let metrics: MetricsPage | undefined;
  const told = async (): Promise<Status> => {
    const status = await overview.status();
    options.historian.told(status.peers);
    return status;
  };
  return {
    "/healthz": () => {
      const silent = clock.now() - (overview.turnedAt ?? born);
      return silent < STUCK_MS ? plain(200, "ok") : plain(
        503,
        `The agent has looked at nothing for ${Math.round(silent / 1_000)} s`,
      );
    },
    "/readyz": () => {
      const { ready, text } = health.summary();
      if (!ready) return plain(503, health.sentences().join("\n"));
      const unseen = clock.now() - (overview.verifiedAt ?? born);
      if (unseen < VERIFIED_MS) return plain(200, text);
      return plain(
        503,
        `The kernel was last looked at ${Math.round(unseen / 1_000)} s ago`,
      );
    },
    [METRICS_PATH]: async (request) => {
      const { MetricsPage } = await import("./metrics_page.ts");
      metrics ??= new MetricsPage(options);
      return await metrics.page(request);
    },
    "/v1/status": async ({ query }) => {
      const probe = query.get("probe");
      if (probe === "1") await overview.probeAll();
      if (probe === "anew") await overview.probeAll("anew");
      return json(await told());
    },
    "/v1/history": () =>
      json({ schema: 1, entries: options.history.entries() }),
    "/v1/graph.svg": async () => {
      const [{ graphOfOne }, { graphSvg }] = await Promise.all([
        import("../view/graph_mesh.ts"),
        import("../view/graph_svg.ts"),
      ]);
      const body = graphSvg(graphOfOne(await told()));
      return { status: 200, type: "image/svg+xml", body };
    },
    "/": async () => {
      const { htmlPage } = await import("../view/page.ts");
      const { html, policy } = await htmlPage();
      return {
        status: 200,
        type: "text/html; charset=utf-8",
        body: html,
        headers: {
          "content-security-policy": policy,
          "referrer-policy": "no-referrer",
        },
      };
    },
  };
}

/** What root alone may see: all of it, for `clusternet plan`. */
export function snapshotPage(
  options: Omit<SnapshotOptions, "nodes" | "listed" | "running"> & {
    readonly nodes: Nodes;
  },
): PageTable {
  return {
    "/v1/snapshot": async () => {
      const [{ takeSnapshot }, { snapshotText }] = await Promise.all([
        import("../agent/snapshot.ts"),
        import("../core/snapshot.ts"),
      ]);
      const { nodes } = options;
      const snapshot = await takeSnapshot({
        ...options,
        nodes: nodes.all(),
        listed: nodes.listed,
        running: true,
      });
      const body = snapshotText(snapshot);
      return { status: 200, type: "application/json", body };
    },
  };
}

export function json(value: unknown): Page {
  return {
    status: 200,
    type: "application/json",
    body: `${JSON.stringify(value)}\n`,
  };
}

/** Those of the table, and 404 with their names for all else. */
export function pagesOf(table: PageTable): Pages {
  return (request) => {
    const page = Object.hasOwn(table, request.path)
      ? table[request.path]
      : undefined;
    if (page !== undefined) return page(request);
    return plain(404, `Not here: there are ${Object.keys(table).join(", ")}`);
  };
}

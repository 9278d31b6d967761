/**
 * A list of all Nodes in pages: the way where it cannot be streamed.
 *
 * @module
 */

import type { NodeRecord } from "../core/node.ts";
import { isExpired } from "../wire/status_json.ts";
import type { NodeLister } from "./kube_client.ts";
import { ApiError } from "./kube_error.ts";

export interface NodeList {
  readonly nodes: readonly NodeRecord[];
  readonly resourceVersion: string;
}

export interface PagesOptions {
  readonly signal: AbortSignal;
  /** Called before each request. */
  spend(): void;
  /** Called after each page, with how many Nodes there are by then. */
  progress?(count: number): void;
}

/** Nodes a page. */
const PAGE_SIZE = 500;
/** Restarts of one list whose pages expire under it. */
const RESTARTS = 1;

/** The newest state, whole: all pages are of the same version. */
export async function listInPages(
  api: NodeLister,
  options: PagesOptions,
): Promise<NodeList> {
  for (let restarts = 0;; restarts++) {
    const nodes: NodeRecord[] = [];
    let continueToken = "";
    try {
      for (;;) {
        options.spend();
        const page = await api.listPage(
          { limit: PAGE_SIZE, continueToken },
          options.signal,
        );
        for (const node of page.nodes) nodes.push(node);
        options.progress?.(nodes.length);
        continueToken = page.continueToken;
        if (continueToken === "") {
          return { nodes, resourceVersion: page.resourceVersion };
        }
      }
    } catch (error) {
      const again = continueToken !== "" && restarts < RESTARTS &&
        error instanceof ApiError && isExpired(error.status);
      if (!again) throw error;
    }
  }
}

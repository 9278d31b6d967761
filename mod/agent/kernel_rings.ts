/**
 * Which of the kernel's announcements concern us, and how much is to be read
 * again for them. Pods come and go with links, addresses and host routes of
 * their own: none of that may cost a dump of all peers.
 *
 * @module
 */

import type { Prefix } from "../core/address.ts";
import { ROUTE_PROTOCOL } from "../core/state.ts";
import { tableName } from "../core/nftables.ts";
import { RING } from "./loop.ts";

/** What `wire/event.ts` decodes. */
export type KernelNews =
  | { readonly kind: "link"; readonly name: string }
  | { readonly kind: "address" }
  | {
    readonly kind: "route";
    readonly destination: Prefix;
    readonly protocol: number;
  }
  | { readonly kind: "forwarding" }
  /** nftables, whatever in it has changed. */
  | { readonly kind: "table"; readonly name: string }
  | { readonly kind: "lost" };

export interface Concern {
  readonly link: string;
  readonly clusterCidrs: readonly Prefix[];
}

/** What to ring; `undefined`: nothing. */
export function ringFor(
  news: KernelNews,
  { link, clusterCidrs }: Concern,
): string | undefined {
  switch (news.kind) {
    case "link":
      return news.name === link ? RING.link : RING.network;
    case "address":
    case "forwarding":
      return RING.network;
    case "route": {
      const ours = news.protocol === ROUTE_PROTOCOL ||
        clusterCidrs.includes(news.destination) ||
        news.destination.endsWith("/0");
      return ours ? RING.network : undefined;
    }
    case "table":
      return news.name === tableName(link) ? RING.network : undefined;
    case "lost":
      return RING.link;
  }
}

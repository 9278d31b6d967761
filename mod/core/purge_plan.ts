/**
 * What `uninstall --purge` takes away beyond the installed files: all that the
 * agent made on this machine. Decided from what was found there; each step prints
 * as the command that a person would type, and those are shown before anything
 * is asked or done.
 *
 * Only what is ours: the link by kind and alias, routes by protocol, the table by
 * name, the CNI configuration by where it points. The rest stays, and is named.
 *
 * Nothing leaves in clear while it goes: first no pod gets a network any more,
 * then the way into the link goes, and what catches the rest goes last.
 *
 * @module
 */

import { tableName } from "./nftables.ts";
import { type Link, LINK_ALIAS, type Route } from "./state.ts";
import { routeText } from "./step_text.ts";

/** Kinds that our link may have: the kernel's, or a userspace program's. */
const LINK_KINDS = ["wireguard", "tun"];

export interface Remains {
  readonly link: { readonly name: string; readonly found: Link | null };
  /** Those of our protocol number in table main. */
  readonly routes: readonly Route[];
  readonly table: boolean;
  readonly conflist: {
    readonly file: string;
    /** "ours" by where it points; else what stands there, for people; `undefined`: nothing. */
    readonly found: "ours" | { readonly what: string } | undefined;
  };
  /** Files and directories of ours that are there, in the order of their removal. */
  readonly paths: readonly OwnPath[];
}

export interface OwnPath {
  readonly path: string;
  readonly kind: "file" | "tree" | "empty-directory";
}

export type PurgeStep =
  | { readonly kind: "remove-link"; readonly link: string }
  | { readonly kind: "remove-route"; readonly route: Route }
  | { readonly kind: "remove-table"; readonly table: string }
  | { readonly kind: "remove-path"; readonly path: OwnPath };

export interface PurgePlan {
  readonly steps: readonly PurgeStep[];
  /** What looks like ours and is not: whole sentences. */
  readonly kept: readonly string[];
}

export function planPurge(remains: Remains): PurgePlan {
  const kept: string[] = [];
  const { link, routes, table, conflist, paths } = remains;
  const path = (one: OwnPath): PurgeStep => ({
    kind: "remove-path",
    path: one,
  });
  const first: PurgeStep[] = [];
  if (conflist.found === "ours") {
    first.push(path({ path: conflist.file, kind: "file" }));
  } else if (conflist.found !== undefined) {
    kept.push(
      `${conflist.file} stays: it is not ours (${conflist.found.what})`,
    );
  }
  const into: PurgeStep[] = [];
  const beneath: PurgeStep[] = [];
  for (const route of routes) {
    const step: PurgeStep = { kind: "remove-route", route };
    if (route.type === "unreachable") beneath.push(step);
    else if (route.type === "unicast" && route.device === link.name) {
      into.push(step);
    } else {
      kept.push(
        `The route ${
          routeText({ ...route, type: "unicast" })
        } stays: the agent makes none like it, though it has our protocol number`,
      );
    }
  }
  const why = foreign(link.name, link.found);
  if (why !== undefined) kept.push(why);
  const links: PurgeStep[] = link.found === null || why !== undefined
    ? []
    : [{ kind: "remove-link", link: link.name }];
  const tables: PurgeStep[] = table
    ? [{ kind: "remove-table", table: tableName(link.name) }]
    : [];
  return {
    steps: [
      ...first,
      ...into,
      ...links,
      ...beneath,
      ...tables,
      ...paths.map(path),
    ],
    kept,
  };
}

/** As a person would type it. */
export function purgeStepText(step: PurgeStep): string {
  switch (step.kind) {
    case "remove-link":
      return `ip link del ${step.link}`;
    case "remove-route": {
      const family = step.route.destination.includes(":") ? "-6 " : "";
      return `ip ${family}route del ${routeText(step.route)}`;
    }
    case "remove-table":
      return `nft delete table inet ${step.table}`;
    case "remove-path":
      return `${REMOVAL[step.path.kind]} ${step.path.path}`;
  }
}

const REMOVAL: Readonly<Record<OwnPath["kind"], string>> = {
  file: "rm",
  tree: "rm -r",
  "empty-directory": "rmdir",
};

/** Why a link of our name is not to be removed. */
function foreign(name: string, found: Link | null): string | undefined {
  if (found === null) return undefined;
  const { kind, alias } = found;
  if (LINK_KINDS.includes(kind) && alias === LINK_ALIAS) return undefined;
  const what = LINK_KINDS.includes(kind)
    ? `its alias is ${JSON.stringify(alias)}, not "${LINK_ALIAS}"`
    : `it is of kind ${kind === "" ? "hardware" : kind}`;
  return `The link ${name} stays: ${what}; \`ip link del ${name}\` removes it`;
}

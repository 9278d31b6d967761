/**
 * An API server for the claims that every one of them keeps: the one of the
 * tests, and kube-apiserver.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Json } from "../../mod/core/json_patch.ts";

export interface ApiLab {
  /** By somebody who may do everything, or who has that token. */
  open(
    method: string,
    path: string,
    options: {
      readonly body?: Json;
      readonly type?: string;
      readonly accept?: string;
      readonly token?: string;
    },
  ): Promise<Response>;
  /** Of somebody who may do nothing, and his name. */
  readonly powerless: { readonly token: string; readonly user: string };
  /** What has happened so far can be asked for no more. */
  loseHistory(): Promise<void>;
}

/** Registers a test that gets an API server without Nodes. */
export type ApiTest = (
  name: string,
  body: (lab: ApiLab) => Promise<void>,
) => void;

export interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

export const JSON_PATCH = "application/json-patch+json";
export const MERGE = "application/merge-patch+json";
export const STRATEGIC_MERGE = "application/strategic-merge-patch+json";

/** @param line "GET /api/v1/nodes" */
export async function call(
  lab: ApiLab,
  line: string,
  options: Parameters<ApiLab["open"]>[2] = {},
): Promise<Answer> {
  const [method = "GET", path = "/"] = line.split(" ");
  const response = await lab.open(method, path, options);
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: text };
  }
}

export function node(
  name: string,
  more: Readonly<Record<string, Json>> = {},
): Json {
  return { kind: "Node", apiVersion: "v1", metadata: { name }, ...more };
}

/** @returns it as it is then */
export async function create(
  lab: ApiLab,
  name: string,
  more: Readonly<Record<string, Json>> = {},
  // deno-lint-ignore no-explicit-any
): Promise<any> {
  const body = node(name, more);
  const made = await call(lab, "POST /api/v1/nodes", { body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body;
}

/** The events of a watch, until it ends or `count` have come. */
export async function events(
  lab: ApiLab,
  query: string,
  { count = Infinity, begun }: {
    readonly count?: number;
    /** Called when the first has come. */
    readonly begun?: () => void;
  } = {},
  // deno-lint-ignore no-explicit-any
): Promise<any[]> {
  const path = `/api/v1/nodes?watch=1&${query}`;
  const response = await lab.open("GET", path, {});
  assert.equal(response.status, 200);
  // deno-lint-ignore no-explicit-any
  const found: any[] = [];
  let rest = "";
  assert(response.body);
  for await (
    const text of response.body.pipeThrough(new TextDecoderStream())
  ) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) found.push(JSON.parse(line));
    begun?.();
    if (found.length >= count) break;
  }
  return found;
}

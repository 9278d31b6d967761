/**
 * What an agent may and may not write, one request each, as somebody would send
 * it whose rights over Nodes have no limit but the policy.
 *
 * @module
 */

import type { Json } from "../../mod/core/json_patch.ts";
import { JSON_PATCH, STRATEGIC_MERGE } from "./kube_api.ts";

export interface PolicyCase {
  /** "sets …", after "an agent". */
  readonly name: string;
  /** Whose agent writes. Default n1. */
  readonly agent?: "n1" | "n3";
  /** Default: its own. */
  readonly node?: string;
  /** Of the Node itself instead of its status. */
  readonly whole?: true;
  /** Operations of JSON Patch, or a strategic merge patch. */
  readonly patch: Json;
  /** What the refusal says; `undefined`: there is none. */
  readonly says?: RegExp;
}

export const KEY = "clusternet.dev/wg-pubkey";
export const PUBLIC_KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

function annotations(values: Readonly<Record<string, string | null>>): Json {
  return { metadata: { annotations: values } };
}

function condition(type: string, status: string): Json {
  return { type, status, reason: "Test", message: "of a test" };
}

function conditions(...list: readonly Json[]): Json {
  return { status: { conditions: list } };
}

export const ALLOWED: readonly PolicyCase[] = [
  {
    name: "sets its annotation where there is none at all",
    agent: "n3",
    patch: [
      { op: "add", path: "/metadata/annotations", value: {} },
      {
        op: "add",
        path: `/metadata/annotations/${KEY.replace("/", "~1")}`,
        value: PUBLIC_KEY,
      },
    ],
  },
  {
    name: "sets its annotation",
    patch: annotations({ [KEY]: PUBLIC_KEY }),
  },
  {
    name: "sets its annotation through the Node itself",
    whole: true,
    patch: annotations({ [KEY]: PUBLIC_KEY }),
  },
  { name: "takes its annotation away", patch: annotations({ [KEY]: null }) },
  {
    name: "sets its condition",
    patch: conditions(condition("NetworkUnavailable", "False")),
  },
  {
    name: "takes its condition away",
    patch: conditions({ $patch: "delete", type: "NetworkUnavailable" }),
  },
  {
    name: "sets both at once",
    patch: {
      metadata: { annotations: { [KEY]: PUBLIC_KEY } },
      status: { conditions: [condition("NetworkUnavailable", "True")] },
    },
  },
];

const METADATA =
  /an agent may change nothing of a Node's metadata but the annotation clusternet\.dev\/wg-pubkey/;
const OTHER_ANNOTATION =
  /an agent may change no annotation of a Node but clusternet\.dev\/wg-pubkey/;
const SPEC = /an agent may change nothing of a Node's spec/;
const STATUS_SAYS =
  /an agent may change nothing of a Node's status but the condition NetworkUnavailable/;
const CONDITIONS =
  /an agent may change no condition of a Node but its one NetworkUnavailable/;
const NO_KEY =
  /the annotation clusternet\.dev\/wg-pubkey has to be a public key of WireGuard/;
const OTHER_NODE = /the agent of Node n1 may change that Node alone, not n2/;

const FOREIGN: readonly PolicyCase[] = [
  {
    name: "sets the annotation of another Node",
    node: "n2",
    patch: annotations({ [KEY]: PUBLIC_KEY }),
    says: OTHER_NODE,
  },
  {
    name: "sets the condition of another Node",
    node: "n2",
    patch: conditions(condition("NetworkUnavailable", "True")),
    says: OTHER_NODE,
  },
  {
    name: "adds another annotation",
    patch: annotations({ "another": "1" }),
    says: OTHER_ANNOTATION,
  },
  {
    name: "changes another annotation",
    patch: annotations({ "other": "2" }),
    says: OTHER_ANNOTATION,
  },
  {
    name: "removes another annotation",
    patch: annotations({ "other": null }),
    says: OTHER_ANNOTATION,
  },
  {
    name: "removes all annotations",
    patch: [{ op: "remove", path: "/metadata/annotations" }],
    says: OTHER_ANNOTATION,
  },
];

const METADATA_CASES: readonly PolicyCase[] = [
  ...[{ role: "control-plane" }, { another: "1" }, { role: null }].map((
    labels,
  ): PolicyCase => ({
    name: `writes the labels ${JSON.stringify(labels)}`,
    patch: { metadata: { labels } },
    says: METADATA,
  })),
  {
    name: "adds a finalizer",
    patch: { metadata: { finalizers: ["example.org/other"] } },
    says: METADATA,
  },
  {
    name: "removes a finalizer",
    patch: [{ op: "remove", path: "/metadata/finalizers" }],
    says: METADATA,
  },
  {
    // By which the garbage collector would delete the Node.
    name: "gives the Node an owner",
    patch: {
      metadata: {
        ownerReferences: [{
          apiVersion: "v1",
          kind: "ConfigMap",
          name: "nobody",
          uid: "8e8e4b5e-0000-4000-8000-000000000000",
        }],
      },
    },
    says: METADATA,
  },
];

const SPEC_CASES: readonly PolicyCase[] = [
  {
    name: "sets podCIDRs",
    agent: "n3",
    whole: true,
    patch: { spec: { podCIDR: "10.0.9.0/24", podCIDRs: ["10.0.9.0/24"] } },
    says: SPEC,
  },
  {
    name: "sets a taint",
    whole: true,
    patch: { spec: { taints: [{ key: "a", effect: "NoExecute" }] } },
    says: SPEC,
  },
  {
    name: "cordons the Node",
    whole: true,
    patch: { spec: { unschedulable: true } },
    says: SPEC,
  },
  {
    name: "sets the provider's ID",
    whole: true,
    patch: { spec: { providerID: "a://b" } },
    says: SPEC,
  },
];

const STATUS_CASES: readonly PolicyCase[] = [
  {
    name: "changes an address",
    patch: {
      status: { addresses: [{ type: "InternalIP", address: "192.0.2.9" }] },
    },
    says: STATUS_SAYS,
  },
  {
    name: "removes the addresses",
    patch: [{ op: "remove", path: "/status/addresses" }],
    says: STATUS_SAYS,
  },
  {
    name: "changes the capacity",
    patch: { status: { capacity: { cpu: "64" } } },
    says: STATUS_SAYS,
  },
  {
    name: "adds what the status did not have",
    patch: { status: { volumesInUse: ["a"] } },
    says: STATUS_SAYS,
  },
  {
    name: "changes what the node runs",
    patch: { status: { nodeInfo: { kubeletVersion: "v1.0.0" } } },
    says: STATUS_SAYS,
  },
  {
    name: "changes Ready",
    patch: conditions(condition("Ready", "False")),
    says: CONDITIONS,
  },
  {
    name: "adds another condition",
    patch: conditions(condition("Another", "True")),
    says: CONDITIONS,
  },
  {
    name: "removes another condition",
    patch: conditions({ $patch: "delete", type: "MemoryPressure" }),
    says: CONDITIONS,
  },
  {
    name: "removes all conditions",
    patch: [{ op: "remove", path: "/status/conditions" }],
    says: CONDITIONS,
  },
  {
    name: "sets two conditions NetworkUnavailable",
    patch: ["True", "False"].map((status) => ({
      op: "add",
      path: "/status/conditions/-",
      value: condition("NetworkUnavailable", status),
    })),
    says: CONDITIONS,
  },
];

const KEY_CASES: readonly PolicyCase[] = [
  ["the empty text", ""],
  ["a word", "key"],
  ["31 bytes", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="],
  ["33 bytes", `AAAA${PUBLIC_KEY}`],
  ["another alphabet", PUBLIC_KEY.replace("v", "-")],
  ["another spelling of the same bytes", PUBLIC_KEY.replace("g=", "h=")],
  ["a line's end after the key", `${PUBLIC_KEY}\n`],
  ["a second key", `${PUBLIC_KEY} ${PUBLIC_KEY}`],
].map(([what, value = ""]) => ({
  name: `publishes ${what}`,
  patch: annotations({ [KEY]: value }),
  says: NO_KEY,
}));

export const REFUSED: readonly PolicyCase[] = [
  ...[...FOREIGN, ...METADATA_CASES, ...SPEC_CASES],
  ...[...STATUS_CASES, ...KEY_CASES],
];

/** Media type of the patch. */
export function typeOf({ patch }: PolicyCase): string {
  return Array.isArray(patch) ? JSON_PATCH : STRATEGIC_MERGE;
}

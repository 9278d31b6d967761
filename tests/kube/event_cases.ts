/**
 * What agents and kubelets may and may not tell in Events, one request each, by
 * either API of Events.
 *
 * @module
 */

import { eventObject, seriesPatch } from "../../mod/core/event.ts";
import type { Json } from "../../mod/core/json_patch.ts";
import { type KubeAnswer, type KubeApi, MERGE } from "./kube_api.ts";

/** The agents of n1: in a pod, and with credentials that name no node; its kubelet, and one whose name is no Node's. */
export type Teller =
  | "a pod"
  | "an unbound pod"
  | "a kubelet"
  | "an unnamed kubelet";

export interface EventCase {
  /** "tells …", after the teller and "'s agent". */
  readonly name: string;
  readonly teller: Teller;
  /** Without a consequence. */
  readonly send: (who: KubeApi) => Promise<KubeAnswer>;
  /** What the refusal says; `undefined`: there is none. */
  readonly says?: RegExp;
}

type Fields = { readonly [key: string]: Json };

const AT = Date.UTC(2026, 0, 1);
export const NEW_API = "/apis/events.k8s.io/v1/namespaces/default/events";
export const OLD_API = "/api/v1/namespaces/default/events";

/** As the agent of that Node writes it, but for some fields. */
function ofAgent(node: string, fields: Fields = {}): Fields {
  const told = {
    type: "Warning",
    reason: "NoPodCIDRs",
    note: "A test",
  } as const;
  const event = eventObject({ name: node, uid: `uid-of-${node}` }, told, AT);
  return { ...event as Fields, ...fields };
}

/** As a kubelet writes it. */
function ofKubelet(node: string, fields: Fields = {}): Fields {
  return {
    metadata: { name: `${node}.kubelet`, namespace: "default" },
    involvedObject: { kind: "Node", name: node, uid: node },
    source: { component: "kubelet", host: "n1" },
    reportingComponent: "kubelet",
    reportingInstance: "n1",
    ...{ type: "Normal", reason: "NodeReady", message: "A test", count: 1 },
    ...fields,
  };
}

/** That are there already. */
export const STANDING: readonly (readonly [path: string, event: Json])[] = [
  ...["n1", "n2"].map((node) => [NEW_API, standing(node)] as const),
  [OLD_API, ofKubelet("n1")],
  [OLD_API, ofKubelet("n2")],
];

function standing(node: string): Json {
  return ofAgent(node, {
    metadata: { name: `${node}.agent`, namespace: "default" },
  });
}

function create(event: Fields, path = NEW_API): EventCase["send"] {
  return (who) => who.call("POST", `${path}?dryRun=All`, { body: event });
}

function change(name: string, body: Json, path = NEW_API): EventCase["send"] {
  return (who) =>
    who.call("PATCH", `${path}/${name}?dryRun=All`, { body, type: MERGE });
}

const REGARDS_POD: Fields = {
  apiVersion: "v1",
  ...{ kind: "Pod", name: "n1", namespace: "default" },
};

export const PASSES: readonly EventCase[] = [
  {
    name: "tells of its own Node",
    teller: "a pod",
    send: create(ofAgent("n1")),
  },
  {
    name: "counts that it is so again",
    teller: "a pod",
    send: change("n1.agent", seriesPatch(2, AT)),
  },
  {
    name: "tells of its own Node",
    teller: "a kubelet",
    send: create(ofAgent("n1")),
  },
  {
    name: "counts that it is so again",
    teller: "a kubelet",
    send: change("n1.agent", seriesPatch(2, AT)),
  },
  {
    name: "goes on with what the kubelet itself tells of the Node",
    teller: "a kubelet",
    send: create(ofKubelet("n1", { metadata: { name: "new" } }), OLD_API),
  },
  {
    name: "goes on with what the kubelet itself tells of a pod",
    teller: "a kubelet",
    send: create(
      ofKubelet("n1", {
        metadata: { name: "new" },
        involvedObject: REGARDS_POD,
      }),
      OLD_API,
    ),
  },
  {
    name: "goes on with what the kubelet itself counts",
    teller: "a kubelet",
    send: change("n1.kubelet", { count: 2 }, OLD_API),
  },
  {
    name: "goes on with what the kubelet itself tells by the newer API",
    teller: "a kubelet",
    send: create(ofAgent("n2", { reportingController: "kubelet" })),
  },
  {
    name: "goes on without a Node's name",
    teller: "an unnamed kubelet",
    send: create(ofKubelet("n1", { metadata: { name: "new" } }), OLD_API),
  },
];

const OWN_ALONE =
  /the agent of Node n1 may write Events about that Node alone, not about Node n2$/;
const NOT_POD =
  /the agent of Node n1 may write Events about that Node alone, not about Pod n1$/;
const OURS_ALONE = /an agent may write no Events but those of clusternet$/;
const NAMELESS =
  /the credentials name no node: an agent needs a token that is bound to its pod, as the kubelet gives it, or a kubelet's certificate$/;

const OF_PODS: readonly EventCase[] = [
  {
    name: "tells of another Node",
    teller: "a pod",
    send: create(ofAgent("n2")),
    says: OWN_ALONE,
  },
  {
    name: "tells of another Node by the older API",
    teller: "a pod",
    send: create(
      ofKubelet("n2", {
        metadata: { name: "new" },
        reportingComponent: "clusternet",
      }),
      OLD_API,
    ),
    says: OWN_ALONE,
  },
  {
    name: "tells of a pod that is called as its Node is",
    teller: "a pod",
    send: create(ofAgent("n1", { regarding: REGARDS_POD })),
    says: NOT_POD,
  },
  {
    name: "counts what the agent of another Node has told",
    teller: "a pod",
    send: change("n2.agent", seriesPatch(2, AT)),
    says: OWN_ALONE,
  },
  {
    name: "makes what is told of another Node something about its own",
    teller: "a pod",
    send: change("n2.agent", { involvedObject: { name: "n1" } }, OLD_API),
    says: OWN_ALONE,
  },
  {
    name: "tells of its own Node in the kubelet's name",
    teller: "a pod",
    send: create(ofAgent("n1", { reportingController: "kubelet" })),
    says: OURS_ALONE,
  },
  {
    name: "changes what the kubelet has told",
    teller: "a pod",
    send: change("n1.kubelet", { message: "All is well" }, OLD_API),
    says: OURS_ALONE,
  },
  {
    name: "makes what the kubelet has told its own",
    teller: "a pod",
    send: change("n1.kubelet", { reportingComponent: "clusternet" }, OLD_API),
    says: OURS_ALONE,
  },
  {
    name: "tells of a Node",
    teller: "an unbound pod",
    send: create(ofAgent("n1")),
    says: NAMELESS,
  },
];

const OF_KUBELETS: readonly EventCase[] = [
  {
    name: "tells of another Node",
    teller: "a kubelet",
    send: create(ofAgent("n2")),
    says: OWN_ALONE,
  },
  {
    name: "tells of another Node by the older API",
    teller: "a kubelet",
    send: create(
      ofKubelet("n2", {
        metadata: { name: "new" },
        reportingComponent: "clusternet",
      }),
      OLD_API,
    ),
    says: OWN_ALONE,
  },
  {
    name: "tells of another Node with clusternet as the source",
    teller: "a kubelet",
    send: create(
      ofKubelet("n2", {
        metadata: { name: "new" },
        source: { component: "clusternet" },
      }),
      OLD_API,
    ),
    says: OWN_ALONE,
  },
  {
    name: "counts what the agent of another Node has told",
    teller: "a kubelet",
    send: change("n2.agent", seriesPatch(2, AT)),
    says: OWN_ALONE,
  },
  {
    name: "makes what the agent of another Node has told a kubelet's",
    teller: "a kubelet",
    send: change("n2.agent", { reportingComponent: "kubelet" }, OLD_API),
    says: OWN_ALONE,
  },
  {
    name: "makes what a kubelet has told of another Node the agent's",
    teller: "a kubelet",
    send: change("n2.kubelet", { reportingComponent: "clusternet" }, OLD_API),
    says: OWN_ALONE,
  },
  {
    name: "tells of a Node",
    teller: "an unnamed kubelet",
    send: create(ofAgent("n1")),
    says: NAMELESS,
  },
];

export const FAILS: readonly EventCase[] = [...OF_PODS, ...OF_KUBELETS];

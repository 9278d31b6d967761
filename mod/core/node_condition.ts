/**
 * The Node condition `NetworkUnavailable`: what the agent says of this node's
 * network where schedulers and people look, and the patches that say it.
 *
 * The patches are strategic merge patches: the API server merges conditions by
 * their type, on the newest object, as often as it takes. No position in the list
 * is named, which a kubelet's write could move, no second condition of the type
 * can come about, and none of them fails because somebody else was faster. The
 * UID holds them to the Node that was looked at.
 *
 * @module
 */

import type { Json, ObservedMetadata } from "./json_patch.ts";
import { type Problem, PROBLEM_REASONS } from "./problem.ts";

/** k8s.io/api/core/v1, NodeNetworkUnavailable. */
export const NETWORK_UNAVAILABLE = "NetworkUnavailable";

/**
 * In the manner of `FlannelIsUp`, `CalicoIsUp` and `CiliumIsUp`; a network that
 * is down has the reason of its problem.
 */
export const REASON_UP = "ClusternetIsUp";

/** UTF-16 units; what is longer is cut. */
export const MESSAGE_LIMIT = 1000;

/** What a condition says; when it said so is the API's business. */
export interface NetworkCondition {
  /** "True": no network here. */
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

export interface ObservedCondition extends NetworkCondition {
  /** RFC 3339; "": absent. */
  readonly lastTransitionTime: string;
}

/** Our own Node, as it was read before a write. */
export interface ObservedNode extends ObservedMetadata {
  /** `undefined`: it has no such condition. */
  readonly networkCondition: ObservedCondition | undefined;
}

/** All stands: pods may come. */
export const NETWORK_IS_UP: NetworkCondition = {
  status: "False",
  reason: REASON_UP,
  message: "clusternet has the link, the routes and the public key in place",
};

export function networkIsDown({ reason, text }: Problem): NetworkCondition {
  return {
    status: "True",
    reason,
    // A torn pair of surrogates would come back as something else.
    message: text.slice(0, MESSAGE_LIMIT).toWellFormed(),
  };
}

/** Neither is there, or both say the same. */
export function sameCondition(
  a: NetworkCondition | undefined,
  b: NetworkCondition | undefined,
): boolean {
  return a === b ||
    a !== undefined && b !== undefined && a.status === b.status &&
      a.reason === b.reason && a.message === b.message;
}

/** Whose it is shows by its reason: others write `NetworkUnavailable` too. */
export function isOurCondition(
  condition: NetworkCondition | undefined,
): boolean {
  const reason = condition?.reason;
  return reason === REASON_UP || PROBLEM_REASONS.some((one) => one === reason);
}

/**
 * The strategic merge patch of `nodes/status` that makes the condition say this.
 *
 * `lastTransitionTime` moves with the status alone. `lastHeartbeatTime` is that of
 * the write, as flannel, Calico and Cilium have it: the node lifecycle controller
 * lets no `NetworkUnavailable` grow stale, so nothing is written just to refresh it.
 *
 * @param want what it shall say
 * @param options.now RFC 3339, UTC, whole seconds, as metav1.Time
 */
export function conditionPatch(
  { uid, networkCondition: found }: ObservedNode,
  want: NetworkCondition,
  options: { readonly now: string },
): Json {
  const { now } = options;
  const same = found?.status === want.status && found.lastTransitionTime !== "";
  return {
    metadata: { uid },
    status: {
      conditions: [{
        type: NETWORK_UNAVAILABLE,
        status: want.status,
        reason: want.reason,
        message: want.message,
        lastHeartbeatTime: now,
        lastTransitionTime: same ? found.lastTransitionTime : now,
      }],
    },
  };
}

/**
 * The strategic merge patch of `nodes/status` that takes the condition away, and
 * the annotation if it is named: what `uninstall` has to do. A condition of
 * somebody else stays.
 *
 * @returns `undefined`: there is nothing of ours
 */
export function removalPatch(
  { uid, annotations, networkCondition }: ObservedNode,
  options: { readonly annotation: string | undefined },
): Json | undefined {
  const { annotation } = options;
  const key = annotation !== undefined &&
    Object.hasOwn(annotations ?? {}, annotation);
  const condition = isOurCondition(networkCondition);
  if (!key && !condition) return undefined;
  return {
    metadata: { uid, ...(key ? { annotations: { [annotation]: null } } : {}) },
    ...(condition ? CONDITION_REMOVAL : {}),
  };
}

const CONDITION_REMOVAL: { readonly status: Json } = {
  status: { conditions: [{ $patch: "delete", type: NETWORK_UNAVAILABLE }] },
};

/** As a person would type it. */
export function conditionRemovalText(nodeName: string): string {
  return `kubectl patch node ${nodeName} --subresource=status --type=strategic -p '${
    JSON.stringify(CONDITION_REMOVAL)
  }'`;
}

/**
 * The admission policy that holds agents to Events about their own Nodes, on a
 * real API server, with every right over Events: whatever is refused, the policy
 * refused.
 *
 * @module
 */

import assert from "node:assert/strict";
import { writeEvent } from "../../mod/agent/tell_events.ts";
import { eventName, type Regarded, type Told } from "../../mod/core/event.ts";
import type { KubeClient } from "../../mod/sys/kube_client.ts";
import type { ControlPlane } from "./control_plane.ts";
import {
  type EventCase,
  FAILS,
  NEW_API,
  PASSES,
  STANDING,
  type Teller,
} from "./event_cases.ts";
import type { KubeApi } from "./kube_api.ts";
import { eachIsNeeded, untilRefused } from "./policies.ts";

const RBAC = "rbac.authorization.k8s.io";
export const OWN_EVENTS = "clusternet-own-events";

const TOLD: Told = {
  type: "Warning",
  reason: "NoPodCIDRs",
  note: "It is a test",
};

/** The agent's own code, by that client, of two Nodes. */
export async function tellsOfOwnAlone(
  { admin }: ControlPlane,
  client: KubeClient,
  { own, other }: { readonly own: string; readonly other: string },
): Promise<void> {
  const named = async (name: string): Promise<Regarded> => {
    const { metadata } = await admin.get(`/api/v1/nodes/${name}`);
    return { name, uid: metadata.uid };
  };
  const { signal } = new AbortController();
  const tell = async (name: string): Promise<void> => {
    const node = await named(name);
    const api = { api: client, wallClock: Date.now };
    await writeEvent(api, { node, told: TOLD }, signal);
  };
  await tell(own);
  await tell(own);
  const name = eventName(await named(own), TOLD);
  const { note, series } = await admin.get(`${NEW_API}/${name}`);
  assert.deepEqual([note, series.count], [TOLD.note, 2]);
  await assert.rejects(
    tell(other),
    new RegExp(
      `^ApiError: Cannot write an Event: 422 Invalid: .*'${OWN_EVENTS}' with binding '${OWN_EVENTS}' denied request: the agent of Node ${own} may write Events about that Node alone, not about Node ${other}$`,
    ),
  );
}

type Steps = Readonly<Record<string, () => Promise<void>>>;

/** Everybody who tells of something. */
export class Tellers implements Disposable {
  readonly #plane: ControlPlane;
  readonly #all: Readonly<Record<Teller, KubeApi>>;

  /** @param tokens of an agent on n1, and one that is bound to nothing */
  constructor(
    plane: ControlPlane,
    tokens: { readonly n1: string; readonly unbound: string },
  ) {
    this.#plane = plane;
    this.#all = {
      "a pod": plane.withToken(tokens.n1),
      "an unbound pod": plane.withToken(tokens.unbound),
      "a kubelet": plane.as("system:node:n1", ["system:nodes"]),
      "an unnamed kubelet": plane.as("kubelets", ["system:nodes"]),
    };
  }

  [Symbol.dispose](): void {
    for (const who of Object.values(this.#all)) who[Symbol.dispose]();
  }

  /** Before the policy is there. */
  withoutPolicy(): Steps {
    return {
      "without the policy, and with every right over Events, all of them may tell anything of anybody":
        async () => {
          await grantEvents(this.#plane.admin);
          for (const [path, event] of STANDING) {
            await this.#plane.admin.create(path, event);
          }
          for (const each of [...PASSES, ...FAILS]) await this.#passes(each);
        },
    };
  }

  /** Once it is applied. */
  withPolicy(): Steps {
    return {
      "the policy on Events counts from a moment after it is applied":
        async () => {
          const [first] = FAILS;
          assert.ok(first !== undefined);
          await untilRefused(OWN_EVENTS, () => this.#send(first));
        },
      ...Object.fromEntries([
        ...PASSES.map((each) => [
          `${each.teller}'s agent ${each.name}`,
          () => this.#passes(each),
        ]),
        ...FAILS.map((each) => [
          `${each.teller}'s agent is refused where it ${each.name}`,
          () => this.#fails(each),
        ]),
      ]),
      "others may tell all of that as before": async () => {
        for (const each of FAILS) {
          await this.#passes(each, this.#plane.admin);
        }
      },
      "each sentence of the policy on Events refuses what no other does": () =>
        eachIsNeeded(
          this.#plane.admin,
          OWN_EVENTS,
          FAILS.map((each) => () => this.#send(each)),
        ),
    };
  }

  #send(each: EventCase, who = this.#all[each.teller]): ReturnType<
    EventCase["send"]
  > {
    return each.send(who);
  }

  async #passes(each: EventCase, who?: KubeApi): Promise<void> {
    const { status, body } = await this.#send(each, who);
    assert.ok(status < 300, `${each.name}: ${status}: ${body.message}`);
  }

  async #fails(each: EventCase): Promise<void> {
    const { status, body } = await this.#send(each);
    assert.equal(status, 422, body.message);
    assert.match(body.message, each.says ?? /^$/);
  }
}

/** By either API, for all that are held. */
async function grantEvents(admin: KubeApi): Promise<void> {
  const name = "everything-with-events";
  const rbac = `/apis/${RBAC}/v1/namespaces/default`;
  await admin.create(`${rbac}/roles`, {
    metadata: { name },
    rules: [{
      apiGroups: ["", NEW_API.split("/")[2]],
      resources: ["events"],
      verbs: ["*"],
    }],
  });
  await admin.create(`${rbac}/rolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: RBAC, kind: "Role", name },
    subjects: ["system:serviceaccounts:clusternet", "system:nodes"].map((
      group,
    ) => ({ apiGroup: RBAC, kind: "Group", name: group })),
  });
}

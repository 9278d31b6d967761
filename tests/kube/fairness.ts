/**
 * API Priority and Fairness at its end: a level with one seat and no queue, and
 * somebody who sits there. All other requests of that user are answered 429.
 *
 * @module
 */

import { eventually } from "../lab/harness.ts";
import type { ControlPlane } from "./control_plane.ts";
import { STRATEGIC_MERGE } from "./kube_api.ts";
import { NODES } from "./nodes.ts";
import { AGENTS } from "./watcher.ts";

const APF = "/apis/flowcontrol.apiserver.k8s.io/v1";
const LEVELS = `${APF}/prioritylevelconfigurations`;
const SCHEMAS = `${APF}/flowschemas`;

/** Takes the only seat; it is free once what this gives is disposed of. */
export async function holdOnlySeat(
  plane: ControlPlane,
  user: string,
): Promise<AsyncDisposable> {
  const { admin } = plane;
  await admin.create(LEVELS, {
    metadata: { name: user },
    spec: {
      type: "Limited",
      limited: {
        // With no share at all one request may still run by itself.
        nominalConcurrencyShares: 0,
        lendablePercent: 0,
        borrowingLimitPercent: 0,
        limitResponse: { type: "Reject" },
      },
    },
  });
  const { metadata } = await admin.create(SCHEMAS, {
    metadata: { name: user },
    spec: {
      priorityLevelConfiguration: { name: user },
      matchingPrecedence: 2,
      rules: [{
        subjects: [{ kind: "User", user: { name: user } }],
        resourceRules: [{
          verbs: ["*"],
          apiGroups: ["*"],
          resources: ["*"],
          clusterScope: true,
        }],
      }],
    },
  });
  using client = plane.as(user, [AGENTS]);
  await eventually("the API server puts him there", async () => {
    const { headers, body } = await client.open("GET", NODES);
    await body?.cancel();
    return headers.get("x-kubernetes-pf-flowschema-uid") === metadata.uid ||
      undefined;
  });
  const sitting = new AbortController();
  const request = patchWithoutEnd(plane, user, sitting.signal);
  await eventually("the API server has no seat left", async () => {
    return (await client.call("GET", NODES)).status === 429 || undefined;
  });
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      sitting.abort();
      await request;
      await admin.delete(`${SCHEMAS}/${user}`);
      await admin.delete(`${LEVELS}/${user}`);
    },
  };
}

/** The server reads its body, and waits for the rest of it. */
async function patchWithoutEnd(
  { credentials, url }: ControlPlane,
  user: string,
  signal: AbortSignal,
): Promise<void> {
  const { cert, key } = credentials.user(user, [AGENTS]);
  const client = Deno.createHttpClient({
    ...{ caCerts: [credentials.ca], cert, key, http2: false },
  });
  try {
    // An answer is a refusal: somebody else had the seat at that moment.
    while (!signal.aborted) {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) =>
          controller.enqueue(new TextEncoder().encode("{")),
      });
      const answer = await fetch(`${url}${NODES}/node-0/status`, {
        ...{ method: "PATCH", body, client, signal },
        headers: { "content-type": STRATEGIC_MERGE },
      });
      await answer.body?.cancel();
    }
  } catch {
    /* aborted */
  } finally {
    client.close();
  }
}

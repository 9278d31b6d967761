/**
 * The agent's patches of its own Node, on a real API server: the key and the
 * condition are there, stay there, and touch nothing else and nobody else.
 *
 * @module
 */

import assert from "node:assert/strict";
import { annotationPatch } from "../../mod/core/json_patch.ts";
import {
  conditionPatch,
  NETWORK_IS_UP,
  removalPatch,
} from "../../mod/core/node_condition.ts";
import { utcNow } from "../../mod/sys/clock.ts";
import { ApiError } from "../../mod/sys/kube_error.ts";
import { pause } from "../lab/harness.ts";
import type { KubeApi, KubeObject } from "./kube_api.ts";
import { conditionOf, MERGE, STRATEGIC_MERGE } from "./kube_api.ts";
import { addNode, NODES, setKey } from "./nodes.ts";
import { PUBLIC_KEY, Publisher } from "./publisher.ts";
import type { SharedPlane } from "./shared_plane.ts";
import { KEY, Watcher } from "./watcher.ts";

const TYPE = "NetworkUnavailable";
const NEVER = new AbortController().signal;

export function ownNodeTests(shared: SharedPlane): void {
  shared.test("key and condition are written once, beside what others have written, and then nothing is asked any more", async (plane) => {
    const { admin } = plane;
    await addNode(admin, "own-a");
    await report(admin, "own-a", 1);
    await using publisher = await Publisher.start(plane, "own-a");
    const node = await published(admin, "own-a");
    assert.equal(conditionOf(node, "Ready")?.message, "report 1");
    assert.equal(node.status.conditions.length, 2);
    await pause(500); // ten seconds to its tasks
    const asked = publisher.watcher.asked;
    assert.deepEqual(asked, ["stream", "get", "patch", "get", "patch"]);
    await admin.delete(`${NODES}/own-a`);
  });

  shared.test("what somebody else takes away or changes is written again until it sticks, whatever the kubelet writes meanwhile", async (plane) => {
    const { admin } = plane;
    await addNode(admin, "own-b");
    await using _publisher = await Publisher.start(plane, "own-b");
    await published(admin, "own-b");
    const status = `${NODES}/own-b/status`;
    const conditions = (...all: readonly unknown[]): unknown => ({
      status: { conditions: all },
    });
    const alien = { status: "True", reason: "NoRouteCreated", message: "x" };
    const undo: readonly (() => Promise<unknown>)[] = [
      () => setKey(admin, "own-b", null),
      () => setKey(admin, "own-b", "somebody's="),
      () => admin.patch(status, conditions({ type: TYPE, $patch: "delete" })),
      () => admin.patch(status, conditions({ type: TYPE, ...alien })),
      () => admin.patch(status, conditions(), MERGE),
      () => admin.patch(`${NODES}/own-b`, NO_ANNOTATIONS, MERGE),
    ];
    for (const [round, one] of undo.entries()) {
      await one();
      await report(admin, "own-b", round);
      const node = await published(admin, "own-b");
      const { message } = conditionOf(node, "Ready") ?? {};
      assert.equal(message, `report ${round}`);
      const types = node.status.conditions.map(typeOf);
      assert.deepEqual(types.sort(), [TYPE, "Ready"].sort());
    }
    await admin.delete(`${NODES}/own-b`);
  });

  shared.test("an outage that lasts is True with its sentence; once it is over, False again", async (plane) => {
    const { admin } = plane;
    await addNode(admin, "own-c");
    await using publisher = await Publisher.start(plane, "own-c");
    const before = conditionIn(await published(admin, "own-c"));
    await pause(1_100); // the API's times are of whole seconds
    const why = "The link clusternet is gone: <€>";
    publisher.find(why);
    const down = conditionIn(
      await admin.until(
        `${NODES}/own-c`,
        (node) => conditionOf(node, TYPE)?.status === "True",
        { what: "the condition is True" },
      ),
    );
    assert.deepEqual([down.reason, down.message], ["ClusternetIsDown", why]);
    assert.ok(down.lastTransitionTime > before.lastTransitionTime);
    publisher.find();
    await published(admin, "own-c");
    await admin.delete(`${NODES}/own-c`);
  });

  shared.test("no patch for a Node that is gone reaches another one of its name; that one gets its own", async (plane) => {
    const { admin } = plane;
    await addNode(admin, "own-d");
    await using publisher = await Publisher.start(plane, "own-d");
    const { client } = publisher.watcher;
    await published(admin, "own-d");
    const former = await client.getNode("own-d", NEVER);
    await using other = await Watcher.start(plane, { user: "other" });
    await admin.delete(`${NODES}/own-d`);
    await addNode(admin, "own-d");
    // By another client, so that nothing is held up here.
    const refused = (asked: Promise<void>): Promise<void> =>
      assert.rejects(asked, (error) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.status.code, 422);
        return true;
      });
    const patch = conditionPatch(former, UP, { now: utcNow() });
    await refused(other.client.mergeNodeStatus("own-d", patch, NEVER));
    const ops = annotationPatch(former, KEY, { value: "former=" });
    await refused(other.client.patchNodeStatus("own-d", ops, NEVER));
    await publisher.watcher.settled();
    publisher.find();
    const node = await published(admin, "own-d");
    assert.notEqual(node.metadata.uid, former.uid);
    await admin.delete(`${NODES}/own-d`);
  });

  shared.test("the first annotation of a Node does not take away one that came meanwhile; what uninstall removes is ours alone", async (plane) => {
    const { admin } = plane;
    await addNode(admin, "own-e");
    await report(admin, "own-e", 5);
    await using watcher = await Watcher.start(plane, { user: "own-e" });
    const { client } = watcher;
    const publish = async (): Promise<() => Promise<void>> => {
      const seen = await client.getNode("own-e", NEVER);
      const ops = annotationPatch(seen, KEY, { value: PUBLIC_KEY });
      return () => client.patchNodeStatus("own-e", ops, NEVER);
    };
    const early = await publish();
    await admin.patch(`${NODES}/own-e`, ALIEN_ANNOTATION, MERGE);
    await assert.rejects(early(), /422/);
    await (await publish())();
    const seen = await client.getNode("own-e", NEVER);
    const patch = conditionPatch(seen, UP, { now: utcNow() });
    await client.mergeNodeStatus("own-e", patch, NEVER);
    const both = {
      ...ALIEN_ANNOTATION.metadata.annotations,
      [KEY]: PUBLIC_KEY,
    };
    const node = await published(admin, "own-e");
    assert.deepEqual(node.metadata.annotations, both);

    const now = await client.getNode("own-e", NEVER);
    const removal = removalPatch(now, { annotation: KEY });
    assert.ok(removal !== undefined);
    await client.mergeNodeStatus("own-e", removal, NEVER);
    const left = await admin.get(`${NODES}/own-e`);
    assert.deepEqual(
      left.metadata.annotations,
      ALIEN_ANNOTATION.metadata.annotations,
    );
    assert.deepEqual(left.status.conditions.map(typeOf), ["Ready"]);
    await admin.delete(`${NODES}/own-e`);
  });
}

const UP = NETWORK_IS_UP;
const NO_ANNOTATIONS = { metadata: { annotations: null } };
const ALIEN_ANNOTATION = {
  metadata: { annotations: { "example.com/alien": "theirs" } },
};

/** A kubelet's report, as a kubelet writes it. */
async function report(
  admin: KubeApi,
  name: string,
  count: number,
): Promise<void> {
  const ready = {
    ...{ type: "Ready", status: "True", reason: "KubeletReady" },
    ...{ message: `report ${count}`, lastHeartbeatTime: utcNow() },
  };
  const body = { status: { conditions: [ready] } };
  await admin.patch(`${NODES}/${name}/status`, body, STRATEGIC_MERGE);
}

/** Until both are there as they should be. */
async function published(admin: KubeApi, name: string): Promise<KubeObject> {
  return await admin.until(
    `${NODES}/${name}`,
    (node) => {
      const { status, reason, message } = conditionOf(node, TYPE) ?? {};
      return node.metadata.annotations?.[KEY] === PUBLIC_KEY &&
        status === UP.status && reason === UP.reason && message === UP.message;
    },
    { what: `key and condition of ${name} are there` },
  );
}

function conditionIn(node: KubeObject): KubeObject {
  return node.status.conditions.find((each: KubeObject) => each.type === TYPE);
}

function typeOf(condition: { readonly type: string }): string {
  return condition.type;
}

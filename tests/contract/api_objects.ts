/**
 * What an API server does with a Node that is written, and what it refuses: as
 * far as the agent builds on it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { annotationPatch, type Json } from "../../mod/core/json_patch.ts";
import {
  type Answer,
  type ApiTest,
  call,
  create,
  JSON_PATCH,
  MERGE,
  node,
  STRATEGIC_MERGE,
} from "./api_lab.ts";

export function apiObjectsContract(test: ApiTest): void {
  test("a Node is created, read, updated and deleted", async (lab) => {
    const made = await create(lab, "a");
    assert.match(made.metadata.uid, /^[0-9a-f-]{36}$/);
    assert.match(made.metadata.creationTimestamp, /^[-0-9]+T[:0-9]+Z$/);
    const body = node("a");
    const twice = await call(lab, "POST /api/v1/nodes", { body });
    assert.deepEqual([twice.status, twice.body.reason], [409, "AlreadyExists"]);

    const read = await call(lab, "GET /api/v1/nodes/a");
    assert.deepEqual(read.body, made);
    const stale = { ...made.metadata, resourceVersion: "1" };
    const lost = await call(lab, "PUT /api/v1/nodes/a", {
      body: { ...made, metadata: stale },
    });
    assert.equal(lost.status, 409);
    assert.match(lost.body.message, /please apply your changes to the latest/);

    const gone = await call(lab, "DELETE /api/v1/nodes/a");
    assert.equal(gone.body.status, "Success");
    const missing = await call(lab, "GET /api/v1/nodes/a");
    assert.equal(missing.status, 404);
    assert.equal(missing.body.message, 'nodes "a" not found');
  });

  test("names and podCIDRs are validated; podCIDRs are set once", async (lab) => {
    const refused = async (body: Json, what: string): Promise<void> => {
      const { status } = await call(lab, "POST /api/v1/nodes", { body });
      assert.equal(status, 422, what);
    };
    for (const name of ["", "A", "a_b", 'a"b', "-a"]) {
      await refused(node(name), name);
    }
    const rows: readonly (readonly string[])[] = [
      ["10.0.0.0"],
      ["10.0.0.0/33"],
      ["10.0.0.0/24", "10.0.1.0/24"],
    ];
    for (const podCIDRs of rows) {
      await refused(node("b", { spec: { podCIDRs } }), podCIDRs.join());
    }
    await create(lab, "b", { spec: { podCIDR: "10.0.0.0/24" } });
    const { body } = await call(lab, "GET /api/v1/nodes/b");
    assert.deepEqual(body.spec.podCIDRs, ["10.0.0.0/24"]);
    const other = "10.0.9.0/24";
    const podCidrs = { op: "replace", path: "/spec/podCIDRs", value: [other] };
    const patch = async (body: Json): Promise<Answer> =>
      await call(lab, "PATCH /api/v1/nodes/b", { type: JSON_PATCH, body });
    // Where they differ, the older of the two fields has it.
    const ignored = await patch([podCidrs]);
    assert.equal(ignored.status, 200);
    assert.deepEqual(ignored.body.spec, body.spec);
    const changed = await patch([
      podCidrs,
      { op: "replace", path: "/spec/podCIDR", value: other },
    ]);
    assert.equal(changed.status, 422);
    assert.match(changed.body.message, /may not change podCIDR/);
  });

  test("a strategic merge patch merges conditions by type, and leaves the spec alone", async (lab) => {
    const ready = { type: "Ready", status: "True", reason: "r" };
    const disk = { type: "DiskPressure", status: "False" };
    const added = { type: "New", status: "True" };
    await create(lab, "a", { status: { conditions: [ready, disk] } });
    const down = { ...ready, status: "False" };
    const rows: readonly (readonly [Json, readonly Json[]])[] = [
      [[{ type: "Ready", status: "False" }], [down, disk]],
      [[added], [down, disk, added]],
      [[{ $patch: "delete", type: "Ready" }], [disk, added]],
      [[{ $patch: "delete", type: "none" }], [disk, added]],
    ];
    const patch = async (body: Json): Promise<Answer> =>
      await call(lab, "PATCH /api/v1/nodes/a/status", {
        type: STRATEGIC_MERGE,
        body,
      });
    for (const [conditions, expected] of rows) {
      const { body } = await patch({ status: { conditions } });
      const found = body.status.conditions;
      assert.equal(found.length, expected.length);
      for (const one of expected) {
        assert.ok(found.some((other: Json) => isPartOf(one, other)));
      }
    }
    const spec = await patch({ spec: { unschedulable: true } });
    assert.equal(spec.body.spec.unschedulable, undefined);
    const nameless = await patch({ status: { conditions: [{ status: "x" }] } });
    assert.equal(nameless.status, 500);
  });

  test("a patch with another UID is refused, in whatever form it comes", async (lab) => {
    const { metadata: { uid } } = await create(lab, "a");
    const rows = (value: string): readonly (readonly [string, Json])[] => [
      [STRATEGIC_MERGE, { metadata: { uid: value } }],
      [MERGE, { metadata: { uid: value } }],
      [JSON_PATCH, [{ op: "replace", path: "/metadata/uid", value }]],
    ];
    for (const path of ["/api/v1/nodes/a", "/api/v1/nodes/a/status"]) {
      for (const [type, body] of rows(uid)) {
        const { status } = await call(lab, `PATCH ${path}`, { type, body });
        assert.equal(status, 200, type);
      }
      for (const [type, body] of rows("other")) {
        const answer = await call(lab, `PATCH ${path}`, { type, body });
        assert.deepEqual([answer.status, answer.body.reason], [422, "Invalid"]);
        assert.equal(
          answer.body.message,
          'Node "a" is invalid: metadata.uid: Invalid value: "other": field is immutable',
        );
      }
    }
  });

  test("nodes/status takes annotations and leaves the spec alone; a test that fails writes nothing", async (lab) => {
    const made = await create(lab, "a", { status: { addresses: [ADDRESS] } });
    const key = "clusternet.dev/wg-pubkey";
    const body = annotationPatch(made.metadata, key, { value: "K=" });
    const line = "PATCH /api/v1/nodes/a/status";
    const once = await call(lab, line, { type: JSON_PATCH, body });
    assert.equal(once.status, 200);
    assert.deepEqual(once.body.metadata.annotations, { [key]: "K=" });
    // The patch was for the Node without annotations: now its test fails.
    const again = await call(lab, line, { type: JSON_PATCH, body });
    assert.deepEqual([again.status, again.body.reason], [422, "Invalid"]);

    const spec = await call(lab, line, {
      type: MERGE,
      body: { spec: { podCIDRs: ["10.0.0.0/24"], unschedulable: true } },
    });
    assert.equal(spec.status, 200);
    assert.equal(spec.body.spec.podCIDRs, undefined);
    assert.equal(spec.body.spec.unschedulable, undefined);
    const status = await call(lab, "PATCH /api/v1/nodes/a", {
      type: MERGE,
      body: { status: { addresses: [] } },
    });
    assert.deepEqual(status.body.status.addresses, [ADDRESS]);
  });

  test("a patch that changes nothing writes nothing", async (lab) => {
    const { metadata: { resourceVersion } } = await create(lab, "a");
    const { body } = await call(lab, "PATCH /api/v1/nodes/a", {
      type: MERGE,
      body: { metadata: { labels: {} } },
    });
    assert.equal(body.metadata.resourceVersion, resourceVersion);
  });
}

const ADDRESS = { type: "InternalIP", address: "192.0.2.1" };

/** Has the second all that the first has? The server adds times that are null. */
function isPartOf(one: Json, other: Json): boolean {
  const fields = other as Readonly<Record<string, Json>>;
  return Object.entries(one as object).every(([key, value]) =>
    fields[key] === value
  );
}

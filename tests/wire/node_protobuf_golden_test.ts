/**
 * Bytes from Kubernetes' own marshallers (k8s.io/api v0.36.3, by
 * `tests/golden/protobuf/main.go`), each beside the JSON of the same object: our
 * decoder reads them alike, and the API server of the tests writes the same bytes.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Json } from "../../mod/core/json_patch.ts";
import { statusFromProtobuf } from "../../mod/wire/kube_protobuf.ts";
import {
  decodeNodePage,
  decodeWatchEvent,
  type WatchEvent,
} from "../../mod/wire/node_json.ts";
import { NodeProtobuf } from "../../mod/wire/node_protobuf.ts";
import { statusFromJson } from "../../mod/wire/status_json.ts";
import {
  listBytes,
  nodeBytes,
  statusBytes,
  watchFrame,
  wrapped,
} from "../fakes/api_protobuf.ts";
import type { JsonObject } from "../fakes/api_store.ts";

const WANTED = { annotation: "clusternet.dev/wg-pubkey", ownNode: "worker-1" };

interface Golden {
  readonly name: string;
  readonly json: JsonObject;
  readonly bytes: Uint8Array;
}

const GOLDENS: readonly Golden[] = Deno.readTextFileSync(
  new URL("../golden/protobuf/nodes.jsonl", import.meta.url),
).trim().split("\n").map((line) => {
  const { name, json, protobuf } = JSON.parse(line);
  return { name, json, bytes: Uint8Array.fromBase64(protobuf) };
});

function plain(event: WatchEvent): WatchEvent {
  if (event.kind !== "upsert") return event;
  const { fingerprint: _, ...rest } = event;
  return rest;
}

function textBytes(json: Json): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

Deno.test("what Kubernetes marshals is read as its JSON is", () => {
  const decoder = new NodeProtobuf(WANTED, 7);
  let upserts = 0;
  for (const { name, json, bytes } of GOLDENS) {
    if (name === "status") {
      assert.deepEqual(statusFromProtobuf(bytes), statusFromJson(json));
      assert.equal(statusFromProtobuf(bytes)?.causes.length, 1);
    } else if (name === "list") {
      const page = decoder.page(bytes);
      assert.deepEqual(page, decodeNodePage(textBytes(json), WANTED));
      assert.equal(page.nodes.length, 2);
      assert.equal(page.continueToken, "token");
    } else {
      const event = plain(decoder.event(bytes));
      assert.deepEqual(event, decodeWatchEvent(textBytes(json), WANTED));
      if (event.kind === "upsert" && event.node.networkCondition) upserts++;
    }
  }
  assert.equal(upserts, 2, "ADDED and MODIFIED of the own Node");
});

Deno.test("the API server of the tests writes the bytes that Kubernetes does", () => {
  for (const { name, json, bytes } of GOLDENS) {
    const object = json.object as JsonObject;
    const made = name === "status"
      ? statusBytes(json)
      : name === "list"
      ? listBytes({
        metadata: json.metadata as JsonObject,
        items: json.items as JsonObject[],
      })
      : watchFrame(
        name,
        name === "ERROR"
          ? statusBytes(object)
          : wrapped("Node", nodeBytes(object)),
      ).subarray(4);
    assert.equal(made.toHex(), bytes.toHex(), name);
  }
});

/**
 * What lists of Nodes tell whoever traces them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NetworkError } from "../../mod/sys/kube_error.ts";
import { Reflector } from "../../mod/sys/reflector.ts";
import type { WatchEvent } from "../../mod/wire/node_json.ts";
import { FakeLister, FakeSink, FakeWatch } from "../fakes/node_lister.ts";
import { MemoryLog } from "../support/logs.ts";
import { RecordedSpans } from "../support/recorded_spans.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const NODE: WatchEvent = {
  kind: "upsert",
  node: {
    name: "n2",
    uid: "uid-n2",
    created: "2025-01-01T00:00:00Z",
    publicKey: undefined,
    internalIps: [],
    podCidrs: [],
  },
  resourceVersion: "5",
};

const LISTED: WatchEvent = {
  kind: "bookmark",
  resourceVersion: "5",
  initialEnd: true,
};

const GONE: WatchEvent = {
  kind: "error",
  status: {
    ...{ code: 410, reason: "Expired", message: "" },
    ...{ retryAfterSeconds: undefined, causes: [] },
  },
};

async function tracedFor(
  milliseconds: number,
  api: FakeLister,
): Promise<RecordedSpans> {
  const tracer = new RecordedSpans();
  const clock = new VirtualClock();
  const stop = new AbortController();
  const reflector = new Reflector(api, new FakeSink(), {
    ...{ clock, tracer, log: new MemoryLog() },
  });
  const done = reflector.run(stop.signal);
  await clock.advance(milliseconds);
  stop.abort();
  await done;
  return tracer;
}

Deno.test("each list is a trace, the first and those after the history was gone, and no watch is one", async () => {
  const { spans } = await tracedFor(
    10_000,
    new FakeLister()
      .onWatch(new FakeWatch().send(NODE, LISTED).end())
      .onWatch(new FakeWatch().send(GONE))
      .onWatch(new FakeWatch().send(NODE, LISTED)),
  );
  assert.deepEqual(
    spans.map(({ ends, facts, name }) => ({ ends, facts, name })),
    [false, true].map((again) => ({
      ...{ ends: 1, facts: { nodes: 1, again }, name: "list-nodes" },
    })),
  );
});

Deno.test("a list that fails is a trace that says why, and the next one is another", async () => {
  const refused = new NetworkError("Cannot reach the API server: no route");
  const { spans } = await tracedFor(
    10_000,
    new FakeLister()
      .onWatch(refused)
      .onWatch(new FakeWatch().send(NODE, LISTED)),
  );
  assert.deepEqual(
    spans.map(({ ends, failure }) => ({ ends, failure })),
    [{ ends: 1, failure: refused.message }, { ends: 1, failure: undefined }],
  );
});

import assert from "node:assert/strict";
import {
  eventName,
  eventObject,
  NOTE_LIMIT,
  seriesPatch,
  type Told,
} from "../../mod/core/event.ts";
import { EventStore } from "../fakes/api_events.ts";

const NODE = { name: "n1", uid: "6e0f4f0c-0000-4000-8000-000000000001" };
const TOLD: Told = { type: "Warning", reason: "NoPodCIDRs", note: "None." };
const AT = Date.UTC(2026, 1, 2, 3, 4, 5, 678);

Deno.test("eventObject() is an Event about our own Node that the API server takes", () => {
  const event = eventObject(NODE, TOLD, AT);
  assert.deepEqual(event, {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: eventName(NODE, TOLD), namespace: "default" },
    eventTime: "2026-02-02T03:04:05.678000Z",
    type: "Warning",
    reason: "NoPodCIDRs",
    action: "Connecting",
    note: "None.",
    regarding: { apiVersion: "v1", kind: "Node", ...NODE },
    reportingController: "clusternet",
    reportingInstance: "n1",
  });
  const store = new EventStore();
  store.create(event);
  store.patch(eventName(NODE, TOLD), seriesPatch(2, AT));
});

Deno.test("the longest names and notes still make an Event", () => {
  const store = new EventStore();
  for (const char of ["x", "ü", "€", "😀", "\ud800"]) {
    const name = `${"a".repeat(199)}.${"b".repeat(53)}`;
    const note = char.repeat(3_000);
    const event = store.create(
      eventObject({ ...NODE, name }, { ...TOLD, note }, AT),
    );
    const bytes = new TextEncoder().encode(String(event.note)).length;
    assert(bytes <= NOTE_LIMIT && bytes > NOTE_LIMIT - 8, `${bytes}`);
    assert(String(event.note).isWellFormed());
  }
});

Deno.test("the name is the same for the same said of the same Node, and for nothing else", () => {
  const names = [
    eventName(NODE, TOLD),
    eventName({ ...NODE, uid: "other" }, TOLD),
    eventName({ ...NODE, name: "n2" }, TOLD),
    eventName(NODE, { ...TOLD, type: "Normal" }),
    eventName(NODE, { ...TOLD, reason: "Other" }),
    eventName(NODE, { ...TOLD, note: "Other" }),
  ];
  assert.equal(new Set(names).size, names.length);
  assert.equal(eventName({ ...NODE }, { ...TOLD }), names[0]);
  assert.match(names[0] ?? "", /^n1\.[0-9a-f]{16}$/);
});

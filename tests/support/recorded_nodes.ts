/**
 * What a real API server has answered, each in both encodings: a list, the events
 * of a watch, a streamed list, and a Status. Both must be read alike, and what is
 * damaged must harm nobody.
 *
 * @module
 */

import assert from "node:assert/strict";
import { statusFromProtobuf } from "../../mod/wire/kube_protobuf.ts";
import {
  decodeNodePage,
  decodeWatchEvent,
  type WantedFields,
  type WatchEvent,
} from "../../mod/wire/node_json.ts";
import { NodeProtobuf } from "../../mod/wire/node_protobuf.ts";
import { statusFromJson } from "../../mod/wire/status_json.ts";
import { damaged } from "./damaged.ts";
import { Random } from "./random.ts";

export interface Recorded {
  /** Of one version. */
  readonly what: "list" | "event" | "status";
  /** As it came. */
  readonly json: string;
  /** An event without the length before it. */
  readonly protobuf: Uint8Array;
}

/** Of the Nodes that are recorded. */
export const RECORDED_WANTED: WantedFields = {
  annotation: "clusternet.dev/wg-pubkey",
  ownNode: "own",
};

/** Lines of a file. */
export function recordedText(all: readonly Recorded[]): string {
  return all.map(({ what, json, protobuf }) =>
    JSON.stringify({ what, json, protobuf: protobuf.toBase64() })
  ).join("\n") + "\n";
}

export function recordedFrom(text: string): readonly Recorded[] {
  return text.trimEnd().split("\n").map((line) => {
    const { what, json, protobuf } = JSON.parse(line);
    return { what, json, protobuf: Uint8Array.fromBase64(protobuf) };
  });
}

/** @returns the events that they have in common, in order */
export function assertAlike(all: readonly Recorded[]): readonly WatchEvent[] {
  const decoder = new NodeProtobuf(RECORDED_WANTED, 7);
  const events: WatchEvent[] = [];
  for (const { what, json, protobuf } of all) {
    const text = new TextEncoder().encode(json);
    switch (what) {
      case "list":
        assert.deepEqual(
          decoder.page(protobuf),
          decodeNodePage(text, RECORDED_WANTED),
        );
        break;
      case "event": {
        const event = decoder.event(protobuf);
        assert.deepEqual(
          plain(event),
          decodeWatchEvent(text, RECORDED_WANTED),
          json,
        );
        events.push(event);
        break;
      }
      case "status":
        assert.deepEqual(
          statusFromProtobuf(protobuf),
          statusFromJson(JSON.parse(json)),
        );
    }
  }
  assertToldApart(events);
  return events;
}

/** What JSON cannot know. */
function plain(event: WatchEvent): WatchEvent {
  if (event.kind !== "upsert") return event;
  const { fingerprint: _, ...rest } = event;
  return rest;
}

/** States of a Node with one fingerprint make one record, and most that make one have one. */
function assertToldApart(events: readonly WatchEvent[]): void {
  const records = new Map<number | undefined, string>();
  let known = 0;
  for (const event of events) {
    if (event.kind !== "upsert") continue;
    const text = JSON.stringify(event.node);
    const before = records.get(event.fingerprint);
    if (before !== undefined) known++;
    assert.equal(before ?? text, text);
    records.set(event.fingerprint, text);
  }
  assert.ok(known > records.size / 3, `${known} of ${events.length} are known`);
}

/** Damages each of them in many ways: a SyntaxError or a value, soon. */
export function assertUnharmed(
  all: readonly Recorded[],
  { rounds, seed }: { readonly rounds: number; readonly seed: number },
): void {
  const decoder = new NodeProtobuf(RECORDED_WANTED, 7);
  const read = ({ what }: Recorded, bytes: Uint8Array): unknown => {
    switch (what) {
      case "list":
        return decoder.page(bytes);
      case "event":
        return decoder.event(bytes);
      case "status":
        return statusFromProtobuf(bytes);
    }
  };
  const random = new Random(seed);
  for (let round = 0; round < rounds; round++) {
    const one = random.pick(all);
    let bytes = one.protobuf;
    for (let times = random.below(3); times >= 0; times--) {
      bytes = damaged(bytes, random);
    }
    try {
      read(one, bytes);
    } catch (error) {
      assert.ok(
        error instanceof SyntaxError,
        `seed ${seed}, round ${round}: ${error}`,
      );
    }
  }
  assertAlike(all); // nothing of it is left behind
}

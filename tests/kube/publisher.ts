/**
 * What the agent writes on its own Node, by its own tasks: the public key and
 * the condition, on a real API server, as what the watch shows asks for it.
 *
 * @module
 */

import { Bell } from "../../mod/agent/bell.ts";
import { publishCondition } from "../../mod/agent/condition.ts";
import { Health } from "../../mod/agent/health.ts";
import { publishKey } from "../../mod/agent/publish.ts";
import { NetworkVerdict } from "../../mod/core/network_verdict.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { utcNow } from "../../mod/sys/clock.ts";
import { MemoryLog } from "../support/logs.ts";
import { testKey } from "../support/nodes.ts";
import { scaledClock } from "../support/scaled_clock.ts";
import type { ControlPlane } from "./control_plane.ts";
import { KEY, Watcher } from "./watcher.ts";
import { problem } from "../support/problems.ts";

export const PUBLIC_KEY = testKey(7);

/** Its pace allows a write in eight seconds, once it has used up what it has. */
const clock = scaledClock(20);

export class Publisher implements AsyncDisposable {
  readonly health = new Health();
  readonly watcher: Watcher;
  readonly #verdict = new NetworkVerdict();
  readonly #bells: readonly Bell[];
  readonly #name: string;
  readonly #stop = new AbortController();
  readonly #tasks: readonly Promise<void>[];

  private constructor(name: string, watcher: Watcher, bells: readonly Bell[]) {
    this.#name = name;
    this.watcher = watcher;
    this.#bells = bells;
    const [keyBell = new Bell(), conditionBell = new Bell()] = bells;
    const common = {
      ...{ api: watcher.client, clock, health: this.health },
      ...{ log: new MemoryLog(), nodeName: name, self: () => this.self },
    };
    const { signal } = this.#stop;
    this.#tasks = [
      publishKey({
        ...{ ...common, bell: keyBell, annotation: KEY },
        publicKey: PUBLIC_KEY,
        verified: () => true,
      }, signal),
      publishCondition({
        ...{ ...common, bell: conditionBell, verdict: this.#verdict },
        utcNow,
      }, signal),
    ];
  }

  /** Of the Node `name`, which is there; its requests are of the user `name`. */
  static async start(plane: ControlPlane, name: string): Promise<Publisher> {
    const bells = [new Bell(), new Bell()];
    const watcher = await Watcher.start(plane, {
      user: name,
      ownNode: name,
      onChange: () => bells.forEach((bell) => bell.ring("self")),
    });
    await watcher.settled();
    const publisher = new Publisher(name, watcher, bells);
    publisher.find();
    return publisher;
  }

  get self(): NodeRecord | undefined {
    return this.watcher.sink.nodes.get(this.#name);
  }

  /** What a turn finds; nothing: the network stands. */
  find(...sentences: readonly string[]): void {
    const nodeUid = this.self?.uid ?? "";
    const outages = sentences.map(problem);
    this.#verdict.report({ nodeUid, outages }, clock.now());
    for (const bell of this.#bells) bell.ring("turn");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#tasks);
    await this.watcher[Symbol.asyncDispose]();
  }
}

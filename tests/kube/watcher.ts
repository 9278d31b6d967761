/**
 * The agent's reflector and client on a real API server, as a user with the
 * agent's rights and no others; what it asks and what it is told is written down.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Clock } from "../../mod/core/clock.ts";
import { errorText } from "../../mod/core/errors.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { KubeClient, type NodeLister } from "../../mod/sys/kube_client.ts";
import { ApiError } from "../../mod/sys/kube_error.ts";
import type { NodeWatch } from "../../mod/sys/node_watch.ts";
import { Reflector } from "../../mod/sys/reflector.ts";
import { nodeFromJson, type WatchEvent } from "../../mod/wire/node_json.ts";
import { FakeSink } from "../fakes/node_lister.ts";
import { eventually } from "../lab/harness.ts";
import { MemoryLog } from "../support/logs.ts";
import { type Served, servedIn, shortly } from "./audit.ts";
import type { ControlPlane } from "./control_plane.ts";
import type { KubeApi } from "./kube_api.ts";

export const KEY = "clusternet.dev/wg-pubkey";
/** Who is in this group may do what `deploy/` lets the agent do. */
export const AGENTS = "agents";

const RBAC = "/apis/rbac.authorization.k8s.io/v1";

export async function allowAgents({ admin }: ControlPlane): Promise<void> {
  const rules = [
    { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
    { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
  ];
  const metadata = { name: AGENTS };
  await admin.create(`${RBAC}/clusterroles`, { metadata, rules });
  await bindAgents(admin);
}

/** Until what it gives is called. */
export async function denyAgents(
  { admin }: ControlPlane,
): Promise<() => Promise<void>> {
  await admin.delete(`${RBAC}/clusterrolebindings/${AGENTS}`);
  return () => bindAgents(admin);
}

async function bindAgents(admin: KubeApi): Promise<void> {
  const apiGroup = "rbac.authorization.k8s.io";
  await admin.create(`${RBAC}/clusterrolebindings`, {
    metadata: { name: AGENTS },
    roleRef: { apiGroup, kind: "ClusterRole", name: AGENTS },
    subjects: [{ apiGroup, kind: "Group", name: AGENTS }],
  });
}

export interface WatcherOptions {
  /** Its requests are told from others' by this name. */
  readonly user: string;
  /** In place of a certificate: a folder as a pod has it, with its token. */
  readonly serviceAccountDir?: string;
  /** Instead of the API server's own: of a proxy. */
  readonly port?: number;
  /** Ask for nothing but JSON. */
  readonly json?: boolean;
  /** Of each watch, instead of the five to ten minutes. */
  readonly watchSeconds?: number;
  readonly clock?: Clock;
  /** Whose condition is told, too. */
  readonly ownNode?: string;
  /** Called after each change of what it has. */
  readonly onChange?: () => void;
}

/** Tells that something has changed. */
class TellingSink extends FakeSink {
  readonly #changed: () => void;

  constructor(changed: () => void) {
    super();
    this.#changed = changed;
  }

  override replace(nodes: readonly NodeRecord[]): void {
    super.replace(nodes);
    this.#changed();
  }

  override upsert(node: NodeRecord): void {
    super.upsert(node);
    this.#changed();
  }

  override remove(name: string): void {
    super.remove(name);
    this.#changed();
  }
}

interface Heard {
  readonly event: WatchEvent;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** An answer that was no success. */
interface Refused {
  readonly error: ApiError;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export class Watcher implements AsyncDisposable {
  readonly client: KubeClient;
  readonly sink: FakeSink;
  readonly log = new MemoryLog();
  readonly reflector: Reflector;
  /** Every event, in order. */
  readonly heard: Heard[] = [];
  readonly startedAt = Date.now();
  readonly refused: Refused[] = [];
  readonly #plane: ControlPlane;
  readonly #user: string;
  readonly #ownNode: string | undefined;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  private constructor(
    plane: ControlPlane,
    client: KubeClient,
    options: WatcherOptions,
  ) {
    const { user, watchSeconds, clock = systemClock, onChange } = options;
    this.#plane = plane;
    this.#user = user;
    this.#ownNode = options.ownNode;
    this.sink = new TellingSink(onChange ?? (() => {}));
    this.client = client;
    const { sink, log } = this;
    const lister = this.#writingDown(client, watchSeconds);
    this.reflector = new Reflector(lister, sink, { clock, log });
    this.#done = this.reflector.run(this.#stop.signal);
  }

  static async start(
    plane: ControlPlane,
    options: WatcherOptions,
  ): Promise<Watcher> {
    const { user, port, json = false, clock = systemClock } = options;
    const { serviceAccountDir } = options;
    const server = port === undefined ? plane.url : `https://127.0.0.1:${port}`;
    const access = await openKubeAccess({
      server,
      clock,
      ...(serviceAccountDir === undefined
        ? { kubeconfig: plane.kubeconfig(user, [AGENTS]), env: {} }
        : {
          kubeconfig: undefined,
          env: { KUBERNETES_SERVICE_HOST: "127.0.0.1" },
          serviceAccountDir,
        }),
    });
    const { ownNode } = options;
    const wanted = { annotation: KEY, ownNode };
    const client = new KubeClient(access, { clock, json, ...wanted });
    return new Watcher(plane, client, options);
  }

  /** What the API server has served to it so far: "stream", "watch", "watch 429". */
  get asked(): readonly string[] {
    return this.served.map(shortly);
  }

  get served(): readonly Served[] {
    return servedIn(this.#plane.options.folder).filter(({ user }) =>
      user === this.#user
    );
  }

  get events(): readonly WatchEvent[] {
    return this.heard.map(({ event }) => event);
  }

  /** Lists so far, in either way: pages of one are one. */
  get lists(): number {
    return this.served.filter(({ kind, path, code }) =>
      code === 200 &&
      (kind === "stream" || kind === "list" && !path.includes("continue="))
    ).length;
  }

  /** Until it has exactly the Nodes that the API server has. */
  async settled(withinMs = 20_000): Promise<void> {
    let why: unknown;
    await eventually("the watcher has the server's Nodes", async () => {
      try {
        assert.ok(this.reflector.status.synced, "it has no list yet");
        assert.deepEqual(byName(this.sink.nodes.values()), await this.#truth());
        return true;
      } catch (error) {
        why = error;
        return undefined;
      }
    }, withinMs).catch((error) => {
      const { lastError } = this.reflector.status;
      throw new Error(`${error.message}: ${lastError?.text ?? errorText(why)}`);
    });
  }

  /** Nobody was ever taken away from those who read of it. */
  lostNobody(): void {
    const [first = "", ...others] = this.sink.calls;
    const names = first.split(" ").slice(1);
    for (const call of others) {
      assert.doesNotMatch(call, /^remove/);
      if (!call.startsWith("replace")) continue;
      const now = call.split(" ");
      for (const name of names) {
        assert.ok(now.includes(name), `${name}: ${call}`);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    this.client.close();
  }

  async #truth(): Promise<readonly NodeRecord[]> {
    const { items } = await this.#plane.admin.get("/api/v1/nodes");
    const wanted = { annotation: KEY, ownNode: this.#ownNode };
    return byName(items.map((item: unknown) => nodeFromJson(item, wanted)));
  }

  #writingDown(client: KubeClient, watchSeconds?: number): NodeLister {
    const noted = async <T>(asked: Promise<T>): Promise<T> => {
      try {
        return await asked;
      } catch (error) {
        if (error instanceof ApiError) {
          this.refused.push({ error, at: Date.now() });
        }
        throw error;
      }
    };
    return {
      listPage: (query, signal) => noted(client.listPage(query, signal)),
      watch: async (query, signal) => {
        const timeoutSeconds = watchSeconds ?? query.timeoutSeconds;
        const watch = client.watch({ ...query, timeoutSeconds }, signal);
        return this.#reading(await noted(watch));
      },
    };
  }

  #reading(watch: NodeWatch): NodeWatch {
    const { heard } = this;
    function* told(batch: Iterable<WatchEvent>): Generator<WatchEvent> {
      for (const event of batch) {
        heard.push({ event, at: Date.now() });
        yield event;
      }
    }
    return {
      close: () => watch.close(),
      read: async () => {
        const batch = await watch.read();
        return batch === undefined ? undefined : told(batch);
      },
    };
  }
}

function byName(nodes: Iterable<NodeRecord>): readonly NodeRecord[] {
  return [...nodes].sort((a, b) => a.name < b.name ? -1 : 1);
}

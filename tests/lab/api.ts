/**
 * The Node part of the Kubernetes API as the lab itself uses it: through a Unix
 * socket, because the server lives in the underlay's namespace. Only what a
 * cluster's other parts do: the kubelet that registers, the controller that
 * gives podCIDRs, the person who deletes.
 *
 * @module
 */

import type { NodePlan } from "./plan.ts";

/** The part of a Kubernetes Node that the lab writes and looks at. */
export interface LabNodeObject {
  readonly apiVersion: "v1";
  readonly kind: "Node";
  readonly metadata: {
    readonly name: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>> | null;
  };
  readonly spec?: {
    readonly podCIDR?: string;
    readonly podCIDRs?: readonly string[];
  };
  readonly status?: {
    readonly addresses?: readonly {
      readonly type: string;
      readonly address: string;
    }[];
    readonly conditions?: readonly LabCondition[];
  };
}

/** `v1.NodeCondition` */
export interface LabCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastHeartbeatTime: string;
  readonly lastTransitionTime: string;
}

export class LabApi {
  readonly #client: Deno.HttpClient;
  readonly #url: string;

  /** @param socket path of the server's Unix socket; `url` for the Host header only */
  constructor(socket: string, url: string) {
    this.#client = Deno.createHttpClient({
      proxy: { transport: "unix", path: socket },
    });
    this.#url = url;
  }

  close(): void {
    this.#client.close();
  }

  /** @throws {Error} with the server's words when it refuses */
  async request(
    method: string,
    path: string,
    body?: unknown,
    contentType = "application/json",
  ): Promise<unknown> {
    const text = await this.#send(path, {
      method,
      ...(body === undefined ? {} : {
        body: JSON.stringify(body),
        headers: { "content-type": contentType },
      }),
    });
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Stores any JSON text as a Node, past the validation of a real API server. */
  async putRaw(name: string, text: string): Promise<void> {
    await this.#send(fakePath(name), { method: "PUT", body: text });
  }

  async removeRaw(name: string): Promise<void> {
    await this.#send(fakePath(name), { method: "DELETE" });
  }

  /** Away for everybody but the lab, connections cut; the Nodes stay. */
  async goDown(): Promise<void> {
    await this.#send("/lab/down", { method: "POST" });
  }

  async comeBack(): Promise<void> {
    await this.#send("/lab/up", { method: "POST" });
  }

  /** Requests that the server has seen so far, by verb and resource. */
  async requests(): Promise<Readonly<Record<string, number>>> {
    return await this.request("GET", "/fake/requests") as Readonly<
      Record<string, number>
    >;
  }

  async #send(path: string, init: RequestInit): Promise<string> {
    const response = await fetch(`${this.#url}${path}`, {
      ...init,
      client: this.#client,
    });
    const text = await response.text();
    if (response.ok) return text;
    throw new Error(
      `Cannot ${init.method} ${path}: ${response.status} ${text.slice(0, 300)}`,
    );
  }

  async node(name: string): Promise<LabNodeObject> {
    return await this.request("GET", nodePath(name)) as LabNodeObject;
  }

  /** `NetworkUnavailable` of that Node. */
  async networkCondition(name: string): Promise<LabCondition | undefined> {
    const { status } = await this.node(name);
    return status?.conditions?.find(({ type }) =>
      type === "NetworkUnavailable"
    );
  }

  async nodes(): Promise<readonly LabNodeObject[]> {
    const list = await this.request("GET", "/api/v1/nodes");
    return (list as { readonly items: readonly LabNodeObject[] }).items;
  }

  async create(node: unknown): Promise<LabNodeObject> {
    return await this.request(
      "POST",
      "/api/v1/nodes",
      node,
    ) as LabNodeObject;
  }

  async patch(name: string, merge: unknown): Promise<void> {
    await this.request(
      "PATCH",
      nodePath(name),
      merge,
      "application/merge-patch+json",
    );
  }

  /** A merge patch of the Node's status. */
  async patchStatus(name: string, patch: unknown): Promise<void> {
    const path = `${nodePath(name)}/status`;
    await this.request("PATCH", path, patch, "application/merge-patch+json");
  }

  async remove(name: string): Promise<void> {
    await this.request("DELETE", nodePath(name));
  }

  /** Resolves once the server answers. */
  async ready(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (true) {
      try {
        await this.nodes();
        return;
      } catch (cause) {
        if (performance.now() > deadline) {
          throw new Error("Cannot reach the lab's API server", { cause });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

export function nodePath(name: string): string {
  return `/api/v1/nodes/${encodeURIComponent(name)}`;
}

/** The control of `tests/fakes/api_control.ts`. */
function fakePath(name: string): string {
  return `/fake/nodes/${encodeURIComponent(name)}`;
}

/** As a kubelet would register it, with the podCIDRs of the controller-manager. */
export function nodeObject(node: NodePlan): LabNodeObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name },
    spec: { podCIDR: node.podCidrs[0] ?? "", podCIDRs: node.podCidrs },
    status: {
      addresses: [
        ...node.internalIps.map((address) => ({ type: "InternalIP", address })),
        { type: "Hostname", address: node.name },
      ],
    },
  };
}

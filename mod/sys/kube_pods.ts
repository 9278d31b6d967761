/**
 * The agents' pods of a cluster, and a command in one of them: how a laptop with
 * a kubeconfig asks an agent. By exec, for that leads to the same socket as on
 * the node itself; nothing has to listen for it.
 *
 * @module
 */

import { VERSION } from "../core/version.ts";
import { listOf, property, textOf } from "../wire/json.ts";
import { CHANNEL_PROTOCOLS } from "../wire/kube_channel.ts";
import type { KubeAccess } from "./kube_access.ts";
import {
  conversation,
  NotOpened,
  type ProgramBytes,
} from "./kube_conversation.ts";
import { type Operation, shownServer } from "./kube_error.ts";
import {
  Connection,
  type HttpOptions,
  JSON_TYPE,
  readBody,
  send,
} from "./kube_http.ts";

/** Of the pods in `deploy/`. */
export const AGENT_LABEL = "app.kubernetes.io/name=clusternet";

/** Of the container in them. */
export const AGENT_CONTAINER = "clusternet";

/** Where the image has the program. */
export const AGENT_PROGRAM = "/usr/bin/clusternet";

/** Pods in one answer. */
const PAGE = 500;

/** Bytes of both outputs: the status of 5,000 Nodes is some 3 MB. */
const OUTPUT_LIMIT = 32 * 1024 * 1024;

export interface AgentPod {
  readonly namespace: string;
  readonly name: string;
  readonly nodeName: string;
  /** Its container runs. */
  readonly running: boolean;
  /** Why not, as the kubelet says it: "ImagePullBackOff"; "" where it runs. */
  readonly reason: string;
}

export interface ProgramOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class KubePods implements Disposable {
  readonly #options: Omit<HttpOptions, "userAgent"> & { userAgent: string };
  readonly #connection: Connection;

  constructor({ access, clock }: Pick<HttpOptions, "access" | "clock">) {
    this.#options = { access, clock, userAgent: `clusternet/${VERSION}` };
    this.#connection = new Connection(access);
  }

  /** In every namespace; those that are on a Node, ended ones left out. */
  async agents(signal: AbortSignal): Promise<readonly AgentPod[]> {
    const found: AgentPod[] = [];
    for (let token = "";;) {
      const search = new URLSearchParams({
        labelSelector: AGENT_LABEL,
        limit: String(PAGE),
        ...(token === "" ? {} : { continue: token }),
      });
      const options = { ...this.#options, signal };
      const bytes = await readBody(
        await send(
          {
            operation: { what: "list the agents' pods", grant: "pods list" },
            method: "GET",
            path: `/api/v1/pods?${search}`,
            accept: JSON_TYPE,
          },
          this.#connection,
          options,
        ),
        options,
      );
      const list: unknown = JSON.parse(new TextDecoder().decode(bytes));
      for (const item of listOf(property(list, "items"))) {
        const pod = agentPod(item);
        if (pod !== undefined) found.push(pod);
      }
      const next = property(property(list, "metadata"), "continue");
      token = typeof next === "string" ? next : "";
      if (token === "") return found;
    }
  }

  /**
   * Runs a program in the agent's container of that pod, to its end.
   *
   * @throws {ApiError | NetworkError} one sentence, where that cannot be done
   */
  async run(
    pod: Pick<AgentPod, "namespace" | "name">,
    command: readonly string[],
    signal: AbortSignal,
  ): Promise<ProgramOutput> {
    const options = { signal, limit: OUTPUT_LIMIT };
    const { stdout, ...rest } = await this.runForBytes(pod, command, options);
    return { ...rest, stdout: new TextDecoder().decode(stdout) };
  }

  /**
   * The same, where standard output is no text.
   *
   * @param options.limit bytes of either output
   * @throws {ApiError | NetworkError} one sentence, where that cannot be done
   */
  async runForBytes(
    pod: Pick<AgentPod, "namespace" | "name">,
    command: readonly string[],
    { limit, signal }: {
      readonly limit: number;
      readonly signal: AbortSignal;
    },
  ): Promise<ProgramBytes> {
    const search = new URLSearchParams({
      container: AGENT_CONTAINER,
      stdout: "true",
      stderr: "true",
    });
    for (const word of command) search.append("command", word);
    const path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}` +
      `/pods/${encodeURIComponent(pod.name)}/exec?${search}`;
    const { access } = this.#options;
    const credentials = await access.credentials();
    const { authorization } = credentials;
    const socket = new WebSocket(
      `${access.server.replace(/^http/, "ws")}${path}`,
      {
        protocols: [...CHANNEL_PROTOCOLS],
        client: this.#connection.client(credentials),
        headers: {
          "user-agent": this.#options.userAgent,
          ...(authorization === undefined
            ? {}
            : { authorization: authorization.expose() }),
        },
      },
    );
    const what = `ask the agent in pod ${pod.namespace}/${pod.name}`;
    try {
      return await conversation(socket, { limit, signal, what });
    } catch (error) {
      if (error instanceof NotOpened) await this.#whyNot(path, what, signal);
      throw error;
    }
  }

  /**
   * A refused upgrade says nothing but its number: the same asked in plain HTTP
   * is refused for the same reason, in words, before the server sees that it is
   * none. Kubernetes from 1.35 on wants the right to create as well.
   */
  async #whyNot(
    path: string,
    what: string,
    signal: AbortSignal,
  ): Promise<void> {
    const operation: Operation = { what, grant: "pods/exec create,get" };
    for (const method of ["GET", "POST"] as const) {
      try {
        const response = await send(
          { operation, method, path },
          this.#connection,
          { ...this.#options, signal },
        );
        await response.body?.cancel();
      } catch (error) {
        const refused = property(property(error, "status"), "code");
        // 400: allowed, but it is no upgrade.
        if (refused !== 400) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

/** `undefined`: on no Node, ended, or not one of ours. */
function agentPod(item: unknown): AgentPod | undefined {
  const metadata = property(item, "metadata");
  const spec = property(item, "spec");
  const status = property(item, "status");
  const nodeName = textOf(property(spec, "nodeName"));
  const name = textOf(property(metadata, "name"));
  const namespace = textOf(property(metadata, "namespace"));
  const phase = textOf(property(status, "phase")) ?? "";
  const ours = listOf(property(spec, "containers")).some((each) =>
    property(each, "name") === AGENT_CONTAINER
  );
  const known = nodeName !== undefined && name !== undefined &&
    namespace !== undefined;
  if (!known || !ours || phase === "Succeeded" || phase === "Failed") {
    return undefined;
  }
  const container = listOf(property(status, "containerStatuses")).find((each) =>
    property(each, "name") === AGENT_CONTAINER
  );
  const state = property(container, "state");
  const running = property(state, "running") !== undefined &&
    property(metadata, "deletionTimestamp") === undefined;
  const waiting = property(property(state, "waiting"), "reason") ??
    property(property(state, "terminated"), "reason");
  const reason = running ? "" : textOf(waiting) ?? (phase || "Unknown");
  return { namespace, name, nodeName, running, reason };
}

/** The server, for messages. */
export function serverOf({ server }: KubeAccess): string {
  return shownServer(server);
}

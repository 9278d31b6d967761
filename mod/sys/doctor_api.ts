/**
 * What a diagnosis asks the API server, with the agent's own credentials: does
 * it answer, how fast, what is its time, what may we do there. Changes nothing:
 * a SelfSubjectAccessReview is kept nowhere.
 *
 * @module
 */

import { basename } from "node:path";
import type { Clock } from "../core/clock.ts";
import { errorText } from "../core/errors.ts";
import type { NodeRecord } from "../core/node.ts";
import { VERSION } from "../core/version.ts";
import type { ApiFacts, ProgramFacts } from "../core/machine_facts.ts";
import { listOf, property, textOf } from "../wire/json.ts";
import { KubeClient } from "./kube_client.ts";
import type { KubeAccess } from "./kube_access.ts";
import { ApiError } from "./kube_error.ts";
import { Connection, type HttpRequest, readBody, send } from "./kube_http.ts";

export interface DoctorApiOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What the agent does there (`deploy/kustomize` grants it). */
const DEEDS = [
  { verb: "list", resource: "nodes", subresource: "" },
  { verb: "watch", resource: "nodes", subresource: "" },
  { verb: "get", resource: "nodes", subresource: "" },
  { verb: "patch", resource: "nodes", subresource: "status" },
] as const;

const PAGE = 500;

/** Of one program: those of a DaemonSet are all told the same. */
const PODS = 20;

export class DoctorApi {
  readonly #access: KubeAccess;
  readonly #options: DoctorApiOptions;

  constructor(access: KubeAccess, options: DoctorApiOptions) {
    this.#access = access;
    this.#options = options;
  }

  async look(): Promise<ApiFacts> {
    const { server } = this.#access;
    const started = performance.now();
    try {
      const { date } = await this.#ask({
        operation: { what: "read the version", grant: "get of /version" },
        method: "GET",
        path: "/version",
      });
      const milliseconds = Math.round(performance.now() - started);
      // Its seconds are whole.
      const ahead = (Date.now() - milliseconds / 2 - Date.parse(date)) / 1_000;
      const aheadSeconds = Number.isFinite(ahead) ? ahead : null;
      return { server, error: null, milliseconds, aheadSeconds };
    } catch (error) {
      const milliseconds = Math.round(performance.now() - started);
      // Who may not read the version was answered all the same.
      const answered = error instanceof ApiError && error.status.code === 403;
      return {
        server,
        error: answered ? null : errorText(error),
        milliseconds,
        aheadSeconds: null,
      };
    }
  }

  /** By "list nodes": allowed? @throws {ApiError} where the question is refused */
  async rights(nodeName: string): Promise<ReadonlyMap<string, boolean>> {
    const found = new Map<string, boolean>();
    for (const { verb, resource, subresource } of DEEDS) {
      const own = verb === "get" || verb === "patch";
      const attributes = {
        verb,
        resource,
        ...(subresource === "" ? {} : { subresource }),
        ...(own ? { name: nodeName } : {}),
      };
      const { text } = await this.#ask({
        operation: {
          what: "ask for our rights",
          grant: "selfsubjectaccessreviews create",
        },
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        contentType: "application/json",
        body: JSON.stringify({
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: attributes },
        }),
      });
      const what = subresource === "" ? resource : `${resource}/${subresource}`;
      const status = property(JSON.parse(text), "status");
      found.set(`${verb} ${what}`, property(status, "allowed") === true);
    }
    return found;
  }

  /**
   * The pods of kube-system with that label that start that program, and what it
   * is told there: the control plane's, as kubeadm labels its static pods.
   */
  async podPrograms(
    label: string,
    program: string,
  ): Promise<readonly ProgramFacts[]> {
    const namespace = "kube-system";
    const search = new URLSearchParams({
      labelSelector: label,
      limit: String(PODS),
    });
    const { text } = await this.#ask({
      operation: { what: `list pods of ${namespace}`, grant: "pods list" },
      method: "GET",
      path: `/api/v1/namespaces/${namespace}/pods?${search}`,
    });
    return listOf(property(JSON.parse(text), "items")).flatMap((pod) => {
      const name = textOf(property(property(pod, "metadata"), "name"));
      const args = argumentsIn(pod, program);
      if (name === undefined || args === undefined) return [];
      return [{ args, place: { kind: "pod", namespace, name } }];
    });
  }

  /** `undefined`: it is not there, or not for us. */
  async configMap(
    namespace: string,
    name: string,
  ): Promise<string | undefined> {
    try {
      const { text } = await this.#ask({
        operation: { what: `read ConfigMap ${name}`, grant: "configmaps get" },
        method: "GET",
        path: `/api/v1/namespaces/${namespace}/configmaps/${name}`,
      });
      return JSON.stringify(property(JSON.parse(text), "data"));
    } catch (error) {
      if (error instanceof ApiError) return undefined;
      throw error;
    }
  }

  /**
   * The condition Ready of that Node, by the right to list Nodes.
   *
   * @returns `null`: it has none
   */
  async nodeReady(
    name: string,
  ): Promise<
    {
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    } | null
  > {
    const node = await this.node(name);
    const found = listOf(property(property(node, "status"), "conditions"))
      .find((each) => property(each, "type") === "Ready");
    if (found === undefined) return null;
    const of = (key: string): string => textOf(property(found, key)) ?? "";
    return {
      status: of("status"),
      reason: of("reason"),
      message: of("message"),
    };
  }

  /** As the API server has it, by the right to list Nodes; `undefined`: there is none. */
  async node(name: string): Promise<unknown> {
    const selector = encodeURIComponent(`metadata.name=${name}`);
    const { text } = await this.#ask({
      operation: { what: "list Nodes", grant: "nodes list" },
      method: "GET",
      path: `/api/v1/nodes?fieldSelector=${selector}`,
    });
    const [node] = listOf(property(JSON.parse(text), "items"));
    return node;
  }

  async nodes(annotation: string): Promise<readonly NodeRecord[]> {
    const client = new KubeClient(this.#access, {
      clock: this.#options.clock,
      annotation,
    });
    try {
      const all: NodeRecord[] = [];
      let continueToken = "";
      do {
        const page = await client.listPage(
          { limit: PAGE, continueToken },
          this.#options.signal,
        );
        all.push(...page.nodes);
        continueToken = page.continueToken;
      } while (continueToken !== "");
      return all;
    } finally {
      client.close();
    }
  }

  async #ask(
    request: HttpRequest,
  ): Promise<{ readonly text: string; readonly date: string }> {
    const connection = new Connection(this.#access);
    const options = {
      ...this.#options,
      access: this.#access,
      userAgent: `clusternet/${VERSION}`,
    };
    try {
      const response = await send(request, connection, options);
      const date = response.headers.get("date") ?? "";
      const bytes = await readBody(response, options);
      return { text: new TextDecoder().decode(bytes), date };
    } finally {
      connection.close();
    }
  }
}

/** `undefined`: no container of the pod starts that program by itself. */
function argumentsIn(
  pod: unknown,
  program: string,
): readonly string[] | undefined {
  for (
    const container of listOf(property(property(pod, "spec"), "containers"))
  ) {
    const words = ["command", "args"].flatMap((key) =>
      listOf(property(container, key)).flatMap((word) => textOf(word) ?? [])
    );
    if (words.some((word) => basename(word) === program)) return words;
    // The image's own entry point is not to be seen.
    const named = property(container, "name") === program;
    if (named && words[0]?.startsWith("-")) return words;
  }
  return undefined;
}

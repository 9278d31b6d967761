/**
 * A cluster's own settings, as a kubeconfig may read them and no worker can: what
 * the control plane's pods are told, kube-proxy's configuration, the Nodes.
 *
 * @module
 */

import { parseArguments } from "../core/arguments.ts";
import type { Config } from "../core/config.ts";
import { errorText } from "../core/errors.ts";
import type { ProgramFacts } from "../core/machine_facts.ts";
import { type Check, diagnose, type Diagnosis } from "../doctor/check.ts";
import type { AgentSettings, Facts, Part } from "../doctor/facts.ts";
import { knowServices } from "../doctor/program_arguments.ts";
import { canonicalSet } from "../doctor/ranges.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { DoctorApi } from "../sys/doctor_api.ts";
import type { OpenCluster } from "./cluster_view.ts";
import { findProxy } from "./doctor_proxy.ts";

/** Facts that are known without any machine. */
const KNOWN: readonly (keyof Facts)[] = [
  ...["config", "nodes", "judged", "settings", "proxy"] as const,
  ...["apiServers", "controllerManagers", "serviceRanges"] as const,
];

/** Milliseconds for all that is read. */
const READ_MS = 20_000;

const API_SERVER = "component=kube-apiserver";

const CONTROLLER_MANAGER = "component=kube-controller-manager";

/** Can it be made without any machine? */
export function isOfCluster({ needs }: Check): boolean {
  return needs.every((name) => KNOWN.includes(name));
}

/**
 * @param checks of which `isOfCluster()` holds
 * @param settings of the agents that have said them
 */
export async function examineCluster(
  checks: readonly Check[],
  settings: readonly AgentSettings[],
  { access, nodes }: Pick<OpenCluster, "access" | "nodes">,
): Promise<Diagnosis> {
  const signal = AbortSignal.timeout(READ_MS);
  const api = new DoctorApi(access, { clock, signal });
  const named = (label: string): Promise<Part<readonly ProgramFacts[]>> =>
    partOf(() => api.podPrograms(label, label.replace("component=", "")));
  const [apiServers, managers, proxy] = await Promise.all([
    named(API_SERVER),
    named(CONTROLLER_MANAGER),
    partOf(async () =>
      findProxy(
        await api.podPrograms("k8s-app=kube-proxy", "kube-proxy"),
        "in kube-system",
        () => Promise.resolve(api),
      )
    ),
  ]);
  const both = [apiServers, managers].flatMap((part) =>
    "value" in part ? part.value : []
  );
  const some = (
    part: Part<readonly ProgramFacts[]>,
    label: string,
  ): Part<readonly ProgramFacts[]> => {
    if ("why" in part || part.value.length > 0) return part;
    const labels = both.length > 0
      ? `label ${label}`
      : `labels ${API_SERVER} and ${CONTROLLER_MANAGER}`;
    return {
      why:
        `kube-system has no pod that shows it (${labels}): where the control plane is managed or has no pods, ask who runs it`,
    };
  };
  const silent = { why: "no agent says what it is set to" };
  return diagnose(checks, {
    ...{ proxy, config: configOf(settings) ?? silent },
    apiServers: some(apiServers, API_SERVER),
    controllerManagers: some(managers, CONTROLLER_MANAGER),
    serviceRanges: both.length > 0
      ? { value: knowServices(both) }
      : some(apiServers, API_SERVER),
    nodes: { value: nodes },
    judged: { value: nodes },
    settings: settings.length > 0 ? { value: settings } : silent,
  });
}

async function partOf<T>(read: () => Promise<T>): Promise<Part<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    return { why: errorText(error) };
  }
}

/** With the cluster CIDR that most agents have. `undefined`: none says one. */
function configOf(
  settings: readonly AgentSettings[],
): Part<Config> | undefined {
  const groups = Map.groupBy(
    settings.map(({ clusterCidrs }) => clusterCidrs.join(",")),
    canonicalSet,
  );
  const [most] = [...groups.values()].sort((a, b) => b.length - a.length);
  if (most?.[0] === undefined) return undefined;
  try {
    const args = [`--cluster-cidr=${most[0]}`];
    return { value: parseArguments(args, {}, { hostName: "cluster" }).config };
  } catch (error) {
    return { why: errorText(error) };
  }
}

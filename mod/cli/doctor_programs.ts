/**
 * The control plane's programs on this machine, for the checks of what they were
 * told; on most machines there are none.
 *
 * @module
 */

import type { ProcessFacts, ProgramFacts } from "../core/machine_facts.ts";
import { knowServices } from "../doctor/program_arguments.ts";
import type { FoundProcesses } from "../sys/doctor_processes.ts";

/** Why processes were not found that may be there. */
const UNSEEN: Readonly<
  Record<NonNullable<FoundProcesses["unseen"]>, string>
> = {
  contained: "a container sees its own processes only: ask on the node itself",
  forbidden: "other processes may not be looked into: ask as root",
};

/** @throws {Error} why others may be there */
export function mustSeeAll(processes: FoundProcesses): FoundProcesses {
  const { unseen } = processes;
  if (unseen !== null) throw new Error(UNSEEN[unseen]);
  return processes;
}

/** Who can tell all the same. */
const ASK_ALL = "`clusternet doctor --all` with a kubeconfig asks its pods";

export function programsOf(
  ...found: readonly (ProcessFacts | null)[]
): readonly ProgramFacts[] {
  return found.flatMap((process) => {
    if (process === null) return [];
    const { args, pid } = process;
    return [{ args, place: { kind: "process", pid } }];
  });
}

/** @throws {Error} why there is none */
export function programsHere(
  name: "kube-apiserver" | "kube-controller-manager",
  processes: FoundProcesses,
): readonly ProgramFacts[] {
  const { apiServer, controllerManager } = processes;
  const found = programsOf(
    name === "kube-apiserver" ? apiServer : controllerManager,
  );
  if (found.length > 0) return found;
  const other = apiServer ?? controllerManager;
  throw new Error(other === null ? none(processes) : `no ${name} runs here`);
}

/** @throws {Error} why nobody knows the Services' range */
export function rangesHere(
  processes: FoundProcesses,
): readonly ProgramFacts[] {
  const { apiServer, controllerManager } = processes;
  const found = programsOf(apiServer, controllerManager);
  if (found.length === 0) throw new Error(none(processes));
  return knowServices(found);
}

function none({ unseen }: FoundProcesses): string {
  switch (unseen) {
    case "contained":
      return `a container sees no control plane: ${ASK_ALL}`;
    case "forbidden":
      return UNSEEN.forbidden;
    case null:
      return `no control plane runs on this machine: ${ASK_ALL}`;
  }
}

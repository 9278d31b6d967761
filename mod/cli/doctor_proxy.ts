/**
 * What kube-proxy takes for the pods' range: by its arguments, where it was found
 * with any, else by its ConfigMap.
 *
 * @module
 */

import type { ProgramFacts } from "../core/machine_facts.ts";
import type { ProxyFacts } from "../doctor/facts.ts";
import { argumentOf } from "../doctor/program_arguments.ts";
import type { DoctorApi } from "../sys/doctor_api.ts";

/**
 * @param where "here": the end of a sentence
 * @throws {Error} where neither says so
 */
export async function findProxy(
  programs: readonly ProgramFacts[],
  where: string,
  api: () => Promise<DoctorApi>,
): Promise<ProxyFacts> {
  for (const from of programs) {
    const clusterCidr = argumentOf(from.args, "--cluster-cidr");
    if (clusterCidr === undefined) continue;
    const detectLocalMode = argumentOf(from.args, "--detect-local-mode") ?? "";
    return { clusterCidr, detectLocalMode, from };
  }
  const text = await (await api()).configMap("kube-system", "kube-proxy");
  if (text === undefined) {
    throw new Error(
      `no kube-proxy runs ${where} with --cluster-cidr, and there is no ConfigMap of it that we may read`,
    );
  }
  const of = (key: string): string =>
    new RegExp(`${key}:\\s*\\\\?"?([\\w.:/,]*)`).exec(text)?.[1] ?? "";
  return {
    clusterCidr: of("clusterCIDR"),
    detectLocalMode: of("detectLocalMode"),
    from: "ConfigMap",
  };
}

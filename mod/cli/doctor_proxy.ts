/**
 * What kube-proxy takes for the pods' range: by its arguments, where it runs
 * here with any, else by its ConfigMap.
 *
 * @module
 */

import type { ProcessFacts } from "../core/machine_facts.ts";
import type { ProxyFacts } from "../doctor/facts.ts";
import { argumentOf } from "../doctor/program_arguments.ts";
import type { DoctorApi } from "../sys/doctor_api.ts";

/** @throws {Error} where neither says so */
export async function findProxy(
  process: ProcessFacts | null,
  api: () => Promise<DoctorApi>,
): Promise<ProxyFacts> {
  if (process !== null) {
    const clusterCidr = argumentOf(process.args, "--cluster-cidr");
    if (clusterCidr !== undefined) {
      return {
        clusterCidr,
        detectLocalMode: argumentOf(process.args, "--detect-local-mode") ??
          "",
        from: `arguments of process ${process.pid}`,
      };
    }
  }
  const text = await (await api()).configMap(
    "kube-system",
    "kube-proxy",
  );
  if (text === undefined) {
    throw new Error(
      "no kube-proxy runs here with --cluster-cidr, and its ConfigMap is not ours to read",
    );
  }
  const of = (key: string): string =>
    new RegExp(`${key}:\\s*\\\\?"?([\\w.:/,]*)`).exec(text)?.[1] ?? "";
  return {
    clusterCidr: of("clusterCIDR"),
    detectLocalMode: of("detectLocalMode"),
    from: "ConfigMap kube-system/kube-proxy",
  };
}

/**
 * Does what the CNI directories hold let a pod have our network? Plugins that
 * are nowhere, and files of others that a runtime reads before ours.
 *
 * A runtime's own settings are not ours to read. So where plugins are seen to
 * work, or where we may not see what it sees, the network is not called down for
 * them: a Node that is well must not lose its pods to our short sight.
 *
 * @module
 */

import type { Config } from "./config.ts";
import type { Problem } from "./problem.ts";

/** What a look at the directories has found. */
export interface CniFound {
  /** Plugins of ours that are in none of the directories. */
  readonly missing: readonly string[];
  /** Do we see what the runtime sees? In a pod it is only what is mounted. */
  readonly sighted: boolean;
  /** Has a pod had an address through our configuration since the boot? */
  readonly used: boolean;
  /** Files in the configuration's directory that come before ours, in order. */
  readonly earlier: readonly EarlierFile[];
}

export interface EarlierFile {
  readonly path: string;
  readonly network: CniNetwork | undefined;
}

/** A configuration, as far as it says whose it is. */
export interface CniNetwork {
  readonly name: string;
  /** Types of the plugins. */
  readonly plugins: readonly string[];
  /** Does it leave the pod's network to another configuration, as Multus does? */
  readonly delegates: boolean;
}

export const NOTHING_FOUND: CniFound = {
  missing: [],
  sighted: true,
  used: false,
  earlier: [],
};

export interface CniVerdict {
  /** Not ready while there are any. */
  readonly problems: readonly Problem[];
  /** Those of them for which new pods get no network, or not ours. */
  readonly outages: readonly Problem[];
  /** Sentences: worth a line, and nothing more. */
  readonly notes: readonly string[];
}

export type CniConfig = Pick<Config, "cniConfFile" | "cniBinDirs">;

export function judgeCni(found: CniFound, config: CniConfig): CniVerdict {
  const { sighted, used } = found;
  const missing = missingProblem(found, config);
  const [first] = found.earlier;
  const sentence = first && earlierSentence(first, config);
  const note = first?.network?.delegates === true;
  const wrong: Problem | undefined = note || sentence === undefined
    ? undefined
    : { reason: "ForeignCNIConfiguration", text: sentence };
  return {
    problems: [...some(sighted || !used ? missing : undefined), ...some(wrong)],
    outages: [...some(sighted && !used ? missing : undefined), ...some(wrong)],
    notes: note ? some(sentence) : [],
  };
}

function missingProblem(
  { missing, sighted }: CniFound,
  { cniBinDirs }: CniConfig,
): Problem | undefined {
  if (missing.length === 0) return undefined;
  const s = missing.length === 1 ? "" : "s";
  const where = cniBinDirs.join(" or ");
  const here = sighted
    ? ""
    : ", as far as this pod sees (mount the node's directory)";
  const text = `Cannot find the CNI plugin${s} ${
    missing.join(", ")
  } in ${where}${here}, without which pods get no network: install them (Debian's package is containernetworking-plugins), or name the container runtime's directory with --cni-bin-dir`;
  return { reason: "CNIPluginMissing", text };
}

function earlierSentence(
  { path, network }: EarlierFile,
  { cniConfFile }: CniConfig,
): string {
  const what = network === undefined
    ? "what cannot be read as a CNI configuration"
    : `the network ${JSON.stringify(network.name)} (${
      network.plugins.join(", ")
    })`;
  if (network?.delegates === true) {
    return `${path} comes before ${cniConfFile} with ${what}, which hands pods on to other configurations: ours has to be among them`;
  }
  const then = network === undefined
    ? "container runtimes read the first file, so pods may not start"
    : "container runtimes take the first file, so new pods are not on this network";
  return `${path} comes before ${cniConfFile} with ${what}: ${then}; remove it, or rename it (mv ${path} ${path}.off)`;
}

function some<T>(one: T | undefined): readonly T[] {
  return one === undefined ? [] : [one];
}

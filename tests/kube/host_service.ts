/**
 * The agent as a service of its host: what `clusternet install` puts on a node of
 * the cluster, started as its unit says. There is no systemd on these nodes; what
 * that adds is tested in `tests/systemd`.
 *
 * @module
 */

import { parseEnvFile } from "../../mod/core/env_file.ts";
import type { Child } from "../lab/exec.ts";
import { agentExecutable } from "./agent_image.ts";
import { KUBELET_CONF, type KubeNode } from "./kube_node.ts";

const PREFIX = "/opt/clusternet";
const UNIT = "/etc/systemd/system/clusternet.service";

/** Where `install` has put it. */
export const INSTALLED = `${PREFIX}/bin/clusternet`;

/** As a person does it, with the kubelet's credentials. */
export async function installService(node: KubeNode): Promise<string> {
  const { plan, wireguard } = node.settings;
  return await node.space.must([
    ...[agentExecutable(), "install", "--no-start", "--prefix", PREFIX],
    ...["--kubeconfig", KUBELET_CONF],
    ...["--cluster-cidr", plan.clusterCidrs.join(",")],
    ...["--backend", wireguard.backend],
  ]);
}

/** By the unit's command line and variables. */
export function startService(node: KubeNode): Child {
  const read = (path: string): string =>
    Deno.readTextFileSync(node.space.outside(path));
  const unit = read(UNIT);
  const value = (name: string): string =>
    new RegExp(`^${name}=-?(.*)$`, "m").exec(unit)?.[1] ?? "";
  const env = parseEnvFile(read(value("EnvironmentFile")));
  return node.start(
    "agent",
    value("ExecStart").split(" "),
    Object.fromEntries(env),
  );
}

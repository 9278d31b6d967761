/**
 * A machine's package as an administrator sees it: dpkg, systemctl, and what lies
 * there when the package goes.
 *
 * @module
 */

import { basename } from "node:path";
import { ENV_FILE } from "../../mod/cli/install_files.ts";
import { NETWORK_UNAVAILABLE } from "../../mod/core/node_condition.ts";
import { eventually } from "../lab/harness.ts";
import type { Machine } from "./machine.ts";
import { type Service, tunnels, UNIT, WIREGUARD_GO_UNIT } from "./service.ts";

export const KEY = "/var/lib/clusternet/private.key";

const CONFLIST = "/etc/cni/net.d/10-clusternet.conflist";

/** What outlives the agent. */
export async function lasting(
  service: Service,
): Promise<Readonly<Record<string, string>>> {
  const { machine } = service;
  return {
    key: await machine.must(["cat", KEY]),
    link: await machine.sh("cat /sys/class/net/clusternet/ifindex"),
    wireguardGo: await mainPid(machine, WIREGUARD_GO_UNIT),
    tunnels: await tunnels(service),
    routes: await machine.sh(
      "ip route show proto 78; ip -6 route show proto 78",
    ),
    table: await machine.must(["nft", "--stateless", "list", "ruleset"]),
    variables: await machine.sh(`cat ${ENV_FILE} || true`),
    conflist: await machine.must(["cat", CONFLIST]),
  };
}

/** What the Node object says of NetworkUnavailable. */
export async function networkConditions(
  { lab, node }: Service,
): Promise<readonly string[]> {
  const { status } = await lab.api.node(node.name);
  return (status?.conditions ?? [])
    .filter(({ type }) => type === NETWORK_UNAVAILABLE)
    .map(({ status }) => status);
}

/** Copies it there. @returns its path there */
export async function bring(machine: Machine, deb: string): Promise<string> {
  const path = `/root/${basename(deb)}`;
  await machine.copyIn(deb, path);
  return path;
}

export async function dpkg(
  machine: Machine,
  args: readonly string[],
): Promise<void> {
  // No terminal: a question about a conffile would be an error.
  await machine.must(["dpkg", ...args], {
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
}

/** As an administrator does, with an editor. */
export async function configure({ machine, node }: Service): Promise<void> {
  await machine.sh(`echo CLUSTERNET_NODE_NAME=${node.name} >> ${ENV_FILE}
systemctl restart ${UNIT}`);
}

export async function active(machine: Machine): Promise<void> {
  await eventually("the service is active", async () => {
    return await isActive(machine, UNIT) ? true : undefined;
  }, 30_000);
}

export async function isActive(
  machine: Machine,
  unit: string,
): Promise<boolean> {
  const { ActiveState } = await machine.show(unit, ["ActiveState"]);
  return ActiveState === "active";
}

export async function mainPid(machine: Machine, unit: string): Promise<string> {
  return (await machine.show(unit, ["MainPID"])).MainPID ?? "";
}

export async function enabled(machine: Machine, unit: string): Promise<string> {
  const { stdout } = await machine.run(["systemctl", "is-enabled", unit]);
  return stdout.trim();
}

/** "install ok installed 0.1.0"; "" where dpkg knows nothing of it. */
export async function packageState(machine: Machine): Promise<string> {
  const { stdout } = await machine.run([
    ...["dpkg-query", "--show", "--showformat=${Status} ${Version}"],
    "clusternet",
  ]);
  return stdout.trim();
}

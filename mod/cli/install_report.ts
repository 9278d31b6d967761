/**
 * What `clusternet install` says in the end: how the service stands, and what is
 * left for a person to do.
 *
 * @module
 */

import { NETWORKD, SERVICE, type Systemd } from "../core/service_plan.ts";
import { awaitActive } from "../sys/systemctl.ts";

/** How long the agent may take until it is ready, before we say how it stands. */
const READY_MS = 30_000;

/** It reads this drop-in at no other time, and we do not touch the host's network. */
export function tellNetworkd(
  changed: readonly string[],
  systemd: Systemd,
): void {
  const ours = changed.some((path) => path.includes("/networkd.conf.d/"));
  if (!ours || systemd.kind !== "running") return;
  if (!systemd.activeUnits.includes(NETWORKD)) return;
  console.log(
    "systemd-networkd leaves our routes alone from its next start on: `systemctl restart systemd-networkd` at a quiet time",
  );
}

/** How the service stands now. @returns the exit code */
export async function reportService(
  systemd: Systemd,
  { start }: { readonly start: boolean },
): Promise<number> {
  if (systemd.kind === "none") {
    console.log(
      `systemctl is not here, so nothing was enabled: start \`clusternet run\` by what takes systemd's place`,
    );
    return 0;
  }
  if (systemd.kind === "offline") {
    console.log(`${SERVICE} is enabled, and starts when systemd does`);
    return 0;
  }
  if (!start) {
    console.log(
      `${SERVICE} is enabled; \`systemctl restart clusternet\` starts it, or the next boot`,
    );
    return 0;
  }
  const { state, status, complaint } = await awaitActive(READY_MS);
  if (state === "active") {
    console.log(`${SERVICE} is active${status === "" ? "" : `: ${status}`}`);
    return 0;
  }
  const said = [status, complaint].find((text) => text !== "");
  console.error(
    `clusternet: The files are in place, but ${SERVICE} is ${state}${
      said === undefined ? "" : ` (${said})`
    }; \`journalctl -u clusternet\` has all of it`,
  );
  return 1;
}

/**
 * The files that make clusternet a service of a machine: their texts are part of
 * the program, so that the one executable can install itself. The package is
 * made from the same table.
 *
 * @module
 */

import env from "../../deploy/systemd/clusternet.env" with { type: "text" };
import modules from "../../deploy/systemd/modules-load.conf" with {
  type: "text",
};
import networkd from "../../deploy/systemd/networkd.conf" with { type: "text" };
import network from "../../deploy/systemd/networkd.network" with {
  type: "text",
};
import networkManager from "../../deploy/systemd/networkmanager.conf" with {
  type: "text",
};
import service from "../../deploy/systemd/clusternet.service" with {
  type: "text",
};
import sysctl from "../../deploy/systemd/sysctl.conf" with { type: "text" };
import tmpfiles from "../../deploy/systemd/tmpfiles.conf" with { type: "text" };
import userspace from "../../deploy/systemd/clusternet-wireguard-go.service" with {
  type: "text",
};
import { setInEnvFile } from "../core/env_file.ts";
import { SERVICE } from "../core/service_plan.ts";
import { letInText } from "../core/service_sandbox.ts";

/** Where `clusternet install` puts the executable, and the units look for it. */
export const EXECUTABLE = "/usr/local/bin/clusternet";

export const ENV_FILE = "/etc/clusternet/clusternet.env";

/** As the texts have it, and --interface by default. */
const LINK = "clusternet";

export const EXECUTABLE_MODE = 0o755;

export interface DeployedFile {
  readonly text: string;
  /** Where `clusternet install` puts it. */
  readonly target: string;
  /** Where a package has it: what /etc is to the admin, /usr/lib is to the package. */
  readonly packaged: string;
  readonly mode: number;
  /** The admin's once it is there; a conffile of the package. */
  readonly config: boolean;
}

export interface DeployOptions {
  /** Absolute path of the program, as the units start it. */
  readonly executable: string;
  /** Variables to set in the file of variables. */
  readonly variables?: ReadonlyMap<string, string>;
  /** The link that others are to leave alone; "clusternet" by default. */
  readonly link?: string | undefined;
  /** Directories that the service's sandbox has to let in beside its own. */
  readonly letIn?: readonly string[];
}

/** All of them but the executable. */
export function deployedFiles(
  { executable, variables = new Map(), link = LINK, letIn = [] }: DeployOptions,
): readonly DeployedFile[] {
  const drop = (text: string, folder: string, name: string): DeployedFile => ({
    text: text.replaceAll(EXECUTABLE, executable)
      .replace(/^(Name=|unmanaged-devices\+=interface-name:)clusternet$/m, (
        _,
        start: string,
      ) => `${start}${link}`),
    target: `/etc/${folder}/${name}`,
    packaged: `/usr/lib/${folder}/${name}`,
    mode: 0o644,
    config: false,
  });
  return [
    {
      text: setInEnvFile(env, variables),
      target: ENV_FILE,
      packaged: ENV_FILE,
      mode: 0o644,
      config: true,
    },
    drop(tmpfiles, "tmpfiles.d", "clusternet.conf"),
    drop(modules, "modules-load.d", "clusternet.conf"),
    drop(sysctl, "sysctl.d", "90-clusternet.conf"),
    drop(networkd, "systemd/networkd.conf.d", "10-clusternet.conf"),
    drop(network, "systemd/network", "10-clusternet.network"),
    drop(networkManager, "NetworkManager/conf.d", "10-clusternet.conf"),
    drop(userspace, "systemd/system", "clusternet-wireguard-go.service"),
    ...letIn.length === 0 ? [] : [
      drop(letInText(letIn), `systemd/system/${SERVICE}.d`, "10-paths.conf"),
    ],
    // Last: it needs all the others.
    drop(service, "systemd/system", "clusternet.service"),
  ];
}

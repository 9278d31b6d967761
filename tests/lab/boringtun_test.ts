/**
 * The WireGuard contract on boringtun (the crate boringtun-cli), which
 * speaks the userspace protocol in its own way: `wire/wg_uapi_whole.ts`.
 *
 * @module
 */

import { wireGuardContract } from "../contract/wireguard.ts";
import { findBoringtun } from "../support/boringtun.ts";
import { skipped } from "../support/skip.ts";
import { userspaceLab } from "./userspace_lab.ts";

const program = findBoringtun() ?? "boringtun-cli";

const ignore = skipped("WireGuard contract on boringtun", {
  root: true,
  commands: ["ip", "unshare", "nsenter"],
  files: [program, "/dev/net/tun"],
});

wireGuardContract(
  "boringtun",
  async () => {
    const command = [program, "--disable-drop-privileges", "-f"];
    const lab = await userspaceLab(command);
    return { ...lab, setPresharedKey: () => Promise.resolve(false) };
  },
  { ignore },
);

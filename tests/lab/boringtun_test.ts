/**
 * The WireGuard contract on boringtun (`cargo install boringtun-cli`), which
 * speaks the userspace protocol in its own way: `wire/wg_uapi_whole.ts`.
 *
 * @module
 */

import { wireGuardContract } from "../contract/wireguard.ts";
import { skipped } from "../support/skip.ts";
import { userspaceLab } from "./userspace_lab.ts";

const ignore = skipped("WireGuard contract on boringtun", {
  root: true,
  commands: ["boringtun-cli", "ip", "unshare", "nsenter"],
  files: ["/dev/net/tun"],
});

wireGuardContract(
  "boringtun",
  async () => {
    const command = ["boringtun-cli", "--disable-drop-privileges", "-f"];
    const lab = await userspaceLab(command);
    return { ...lab, setPresharedKey: () => Promise.resolve(false) };
  },
  { ignore },
);

/**
 * The WireGuard contract on the real wireguard-go, and what it does besides.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import { derivePublicKey, PrivateKey } from "../../mod/core/key.ts";
import { UserspaceWireGuard } from "../../mod/sys/wireguard_userspace.ts";
import { wireGuardContract } from "../contract/wireguard.ts";
import { Random } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { startWireGuardGo } from "../support/wireguard_go.ts";
import { LINK, userspaceLab } from "./userspace_lab.ts";

const ignore = skipped("WireGuard contract on wireguard-go", {
  root: true,
  commands: ["wireguard-go", "ip", "wg", "unshare", "nsenter"],
  files: ["/dev/net/tun"],
});

wireGuardContract("wireguard-go", userspaceLab, { ignore });

Deno.test({
  name: "wireguard-go: a busy port does not cost the port that works",
  ignore,
  fn: async () => {
    await using lab = await userspaceLab();
    await lab.port.setListenPort(LINK, 7838);
    await using _other = await lab.occupyPort(7839);
    await assert.rejects(lab.port.setListenPort(LINK, 7839), {
      message: `Cannot set listen port 7839 of ${LINK}: Address already in use`,
    });
    assert.equal((await lab.port.read(LINK)).device.listenPort, 7838);
  },
});

Deno.test({
  name: "wireguard-go: wg(8) sees what we set",
  ignore,
  fn: async () => {
    await using go = await startWireGuardGo(LINK);
    const port = new UserspaceWireGuard({ directory: go.directory });
    const key = PrivateKey.fromBytes(new Random(7).bytes(32));
    await port.setPrivateKey(LINK, key);
    await port.setListenPort(LINK, 7838);
    const { stdout } = await new Deno.Command("nsenter", {
      args: ["-t", String(go.pid), "--net", "--mount", "wg", "show", LINK],
    }).output();
    const shown = new TextDecoder().decode(stdout);
    assert(shown.includes(`public key: ${await derivePublicKey(key)}`), shown);
    assert(shown.includes("listening port: 7838"), shown);
  },
});

Deno.test({
  name: "wireguard-go: what it refuses is a KernelError with the reason",
  ignore,
  fn: async () => {
    await using lab = await userspaceLab();
    await assert.rejects(lab.port.setListenPort(LINK, 70_000), (error) => {
      assert(error instanceof KernelError);
      assert.equal(error.errno, ERRNO.EINVAL);
      assert.equal(
        error.message,
        `Cannot set listen port 70000 of ${LINK}: Invalid argument`,
      );
      return true;
    });
  },
});

/**
 * The WireGuard contract on the real wireguard-go, and what it does besides.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WireGuardPort } from "../../mod/agent/ports.ts";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import {
  derivePublicKey,
  PrivateKey,
  type PublicKey,
  publicKeyBytes,
} from "../../mod/core/key.ts";
import { UserspaceWireGuard } from "../../mod/sys/wireguard_userspace.ts";
import { wireGuardContract } from "../contract/wireguard.ts";
import type { WireGuardLab } from "../contract/wireguard_support.ts";
import { Random } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { startWireGuardGo } from "../support/wireguard_go.ts";

const LINK = "cn0";

const ignore = skipped("WireGuard contract on wireguard-go", {
  root: true,
  commands: ["wireguard-go", "ip", "wg", "unshare", "nsenter"],
  files: ["/dev/net/tun"],
});

async function goLab(): Promise<WireGuardLab> {
  const go = await startWireGuardGo(LINK);
  const { directory } = go;
  const port: WireGuardPort = new UserspaceWireGuard({ directory });
  return {
    port,
    link: LINK,
    setPresharedKey: (peer) =>
      setPresharedKey(`${directory}/${LINK}.sock`, peer),
    occupyPort: async (number) => {
      const other = go.spawn(Deno.execPath(), "eval", HOLD, String(number));
      const reader = other.stdout.getReader();
      await reader.read();
      return {
        async [Symbol.asyncDispose](): Promise<void> {
          await other.stdin.close();
          await reader.cancel();
          await other.status;
        },
      };
    },
    [Symbol.asyncDispose]: () => go[Symbol.asyncDispose](),
  };
}

/** Binds a UDP port, says so, and ends when its standard input does. */
const HOLD = `
  const port = Number(Deno.args[0]);
  Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
  console.log("bound");
  await Deno.stdin.read(new Uint8Array(1));
  Deno.exit();
`;

async function setPresharedKey(path: string, peer: PublicKey): Promise<void> {
  const hex = Array.from(
    publicKeyBytes(peer),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
  const request = `set=1\npublic_key=${hex}\npreshared_key=${
    "5a".repeat(32)
  }\n\n`;
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode(request));
  const answer = new Uint8Array(64);
  const length = await connection.read(answer) ?? 0;
  assert.equal(
    new TextDecoder().decode(answer.subarray(0, length)),
    "errno=0\n\n",
  );
}

wireGuardContract("wireguard-go", goLab, { ignore });

Deno.test({
  name: "wireguard-go: a busy port does not cost the port that works",
  ignore,
  fn: async () => {
    await using lab = await goLab();
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
    await using lab = await goLab();
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

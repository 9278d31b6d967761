/**
 * A device of the WireGuard contract that a userspace program holds.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WireGuardPort } from "../../mod/agent/ports.ts";
import { type PublicKey, publicKeyBytes } from "../../mod/core/key.ts";
import { UserspaceWireGuard } from "../../mod/sys/wireguard_userspace.ts";
import type { WireGuardLab } from "../contract/wireguard_support.ts";
import { startWireGuardGo } from "../support/wireguard_go.ts";

export const LINK = "cn0";

/** @param command see `startWireGuardGo()` */
export async function userspaceLab(
  command?: readonly string[],
): Promise<WireGuardLab> {
  const go = await startWireGuardGo(LINK, command);
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

async function setPresharedKey(
  path: string,
  peer: PublicKey,
): Promise<boolean> {
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
  return true;
}

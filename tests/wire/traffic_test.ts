/**
 * The counters of peers. The bytes of the kernel are of the dump in
 * `golden/wireguard.txt` with the attributes of a peer that speaks put in by
 * hand; the text is what wireguard-go 0.0.20220316 answered to `get=1` in a lab
 * with two nodes that had pinged each other.
 *
 * @module
 */

import assert from "node:assert/strict";
import { publicKeyFromBytes } from "../../mod/core/key.ts";
import { NO_TRAFFIC } from "../../mod/core/traffic.ts";
import { parseTraffic } from "../../mod/wire/wg_uapi_traffic.ts";
import {
  decodeTraffic,
  mergeTraffic,
} from "../../mod/wire/wireguard_traffic.ts";

const A = publicKeyFromBytes(new Uint8Array(32).fill(0xaa));
const B = publicKeyFromBytes(new Uint8Array(32).fill(0xbb));

/** Rows of hex with comments, as in the goldens. */
function hex(rows: string): Uint8Array {
  return Uint8Array.fromHex(
    rows.replaceAll(/#.*$/gm, "").replaceAll(/\s/g, ""),
  );
}

const MESSAGE = hex(`
  00 01 00 00              # genlmsghdr: WG_CMD_GET_DEVICE, version 1
  b0 00 08 80              # length 176, WGDEVICE_A_PEERS, nested
    68 00 00 80            # length 104, first peer, nested
      24 00 01 00          # length 36, WGPEER_A_PUBLIC_KEY
        ${"aa".repeat(32)}
      14 00 06 00          # length 20, WGPEER_A_LAST_HANDSHAKE_TIME
        00 f1 53 65 00 00 00 00  00 65 cd 1d 00 00 00 00  # 1700000000 s, 500000000 ns
      0c 00 07 00          # length 12, WGPEER_A_RX_BYTES
        0a 00 00 00 01 00 00 00  # 2^32 + 10
      0c 00 08 00          # length 12, WGPEER_A_TX_BYTES
        14 00 00 00 00 00 00 00
      14 00 04 00          # length 20, WGPEER_A_ENDPOINT
        02 00 1e 9e c0 00 02 01 ${"00".repeat(8)}  # 192.0.2.1:7838
    44 00 01 80            # length 68, second peer, nested
      24 00 01 00
        ${"bb".repeat(32)}
      14 00 06 00
        ${"00".repeat(16)}  # never
      08 00 03 00 00 00 00 00  # WGPEER_A_FLAGS: passed over
`);

const SPOKEN = {
  endpoint: "192.0.2.1:7838",
  lastHandshakeMs: 1_700_000_000_500,
  receivedBytes: 2 ** 32 + 10,
  sentBytes: 20,
};

Deno.test("decodeTraffic() reads handshake, counters and endpoint of each peer", () => {
  const parts = decodeTraffic(MESSAGE);
  assert.deepEqual(parts, [[A, SPOKEN], [B, NO_TRAFFIC]]);
});

Deno.test("mergeTraffic() takes the first part of a peer that a later message continues", () => {
  const merged = mergeTraffic([decodeTraffic(MESSAGE), [[A, NO_TRAFFIC]]]);
  assert.deepEqual(merged, new Map([[A, SPOKEN], [B, NO_TRAFFIC]]));
});

Deno.test("decodeTraffic() refuses a handshake time that is no timespec", () => {
  const short = MESSAGE.slice();
  short[48] = 0x10;
  assert.throws(() => decodeTraffic(short), SyntaxError);
});

Deno.test("parseTraffic() reads the same of a userspace program's answer", () => {
  const text = `own_public_key=${"cc".repeat(32)}
listen_port=7838
public_key=${"aa".repeat(32)}
endpoint=192.0.2.1:7838
last_handshake_time_sec=1700000000
last_handshake_time_nsec=500000000
tx_bytes=20
rx_bytes=4294967306
persistent_keepalive_interval=0
allowed_ip=10.0.1.0/24
public_key=${"bb".repeat(32)}
last_handshake_time_sec=0
last_handshake_time_nsec=0
tx_bytes=0
rx_bytes=0
errno=0

`;
  assert.deepEqual(parseTraffic(text), new Map([[A, SPOKEN], [B, NO_TRAFFIC]]));
});

Deno.test("parseTraffic() refuses counters that are no numbers", () => {
  const text = `public_key=${"aa".repeat(32)}\nrx_bytes=-1\nerrno=0\n\n`;
  assert.throws(() => parseTraffic(text), /rx_bytes is malformed/);
});

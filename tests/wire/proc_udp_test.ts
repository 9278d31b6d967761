import assert from "node:assert/strict";
import { decodeUdpSockets } from "../../mod/wire/proc_udp.ts";

/** As net/ipv4/udp.c writes them; `tests/sys/shim_test.ts` reads real ones. */
const FOUR =
  `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  351: 0100007F:1EAE 00000000:0000 07 00000000:00000300 00:00000000 00000000  1000        0 4242 2 00000000a1b2c3d4 17
 3343: 00000000:1E9E 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 00000000a1b2c3d5 0
`;
const SIX =
  `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 3343: B80D0120000000000000000001000000:1E9E 000080FE000000000000000002000000:0035 01 00000000:00000000 00:00000000 00000000     0        0 77 2 00000000a1b2c3d6 0
`;

Deno.test("decodeUdpSockets() reads addresses, ports, owners, queues and drops", () => {
  const none = { waitingBytes: 0, drops: 0, uid: 0 };
  assert.deepEqual([...decodeUdpSockets(FOUR), ...decodeUdpSockets(SIX)], [
    {
      local: "127.0.0.1:7854",
      remote: "0.0.0.0:0",
      uid: 1000,
      waitingBytes: 0x300,
      drops: 17,
      inode: 4242n,
    },
    { local: "0.0.0.0:7838", remote: "0.0.0.0:0", inode: 0n, ...none },
    {
      local: "[2001:db8::1]:7838",
      remote: "[fe80::2]:53",
      inode: 77n,
      ...none,
    },
  ]);
});

for (const wrong of ["", "sl\n", "sl\nnonsense\n", FOUR.slice(0, 180)]) {
  Deno.test(`decodeUdpSockets() finds none in ${JSON.stringify(wrong.slice(-20))}`, () => {
    assert.deepEqual(decodeUdpSockets(wrong), []);
  });
}

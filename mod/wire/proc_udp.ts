/**
 * The kernel's lists of UDP sockets, /proc/net/udp and udp6 (net/ipv4/udp.c,
 * udp4_format_sock; net/ipv6/datagram.c, __ip6_dgram_sock_seq_show):
 *
 *     sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt
 *         uid  timeout inode ref pointer drops
 *      9: 0100007F:1EAE 00000000:0000 07 00000000:00000000 00:00000000 00000000
 *           0        0 4242 2 00000000a1b2c3d4 0
 *
 * Addresses are words of 32 bits in host order, ports are numbers.
 *
 * @module
 */

import { addressFromBytes, endpointText } from "../core/address.ts";
import type { UdpSocketFacts } from "../core/machine_facts.ts";

/** Lines that are no sockets are passed by. */
export function decodeUdpSockets(
  list: string,
): readonly Omit<UdpSocketFacts, "program">[] {
  return list.split("\n").slice(1).flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [, local = "", remote = "", , queues = "", , , uid = ""] = fields;
    const [inode = "", , , drops = ""] = fields.slice(9);
    const known = [local, remote].every((one) =>
      /^([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}$/.test(one)
    );
    if (!known || !/^\d+$/.test(inode)) return [];
    return [{
      local: decodeEnd(local),
      remote: decodeEnd(remote),
      uid: Number(uid),
      waitingBytes: Number.parseInt(queues.split(":")[1] ?? "", 16) || 0,
      drops: Number(drops) || 0,
      inode: BigInt(inode),
    }];
  });
}

function decodeEnd(text: string): string {
  const [address = "", port = ""] = text.split(":");
  const bytes = new Uint8Array(address.length / 2);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) {
    const word = Number.parseInt(address.slice(2 * at, 2 * at + 8), 16);
    view.setUint32(at, word, true);
  }
  return endpointText(addressFromBytes(bytes), Number.parseInt(port, 16));
}

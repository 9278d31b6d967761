/**
 * The name servers of a machine, from the text of `/etc/resolv.conf`
 * (resolv.conf(5)). Lines that say something else, or nothing, are passed over.
 *
 * @module
 */

import { type Address, parseAddress } from "./address.ts";

export function parseResolvers(text: string): readonly Address[] {
  return text.split("\n").flatMap((line) => {
    const [word, server = ""] = line.trim().split(/\s+/);
    if (word !== "nameserver") return [];
    try {
      // A zone names a link; it does not change whether a CIDR holds the address.
      return [parseAddress(server.replace(/%.*$/, ""))];
    } catch {
      return [];
    }
  });
}

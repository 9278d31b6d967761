import assert from "node:assert/strict";
import { parseResolvers } from "../../mod/core/resolv_conf.ts";

Deno.test("parseResolvers() finds the name servers and nothing else", () => {
  const text = `# nameserver 192.0.2.1
search example.org
nameserver 192.0.2.53
  nameserver\t2001:db8::53
nameserver fe80::1%eth0
nameserver nobody
nameserver
options edns0
`;
  assert.deepEqual(parseResolvers(text), [
    "192.0.2.53",
    "2001:db8::53",
    "fe80::1",
  ]);
  assert.deepEqual(parseResolvers(""), []);
});

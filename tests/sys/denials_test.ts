import assert from "node:assert/strict";
import { denialsIn } from "../../mod/sys/denials.ts";

/** As auditd of Fedora writes it, and as dmesg(1) of Debian prints it. */
const AUDITD =
  `type=AVC msg=audit(1767225600.123:45): avc:  denied  { create } for  pid=77 comm="clusternet" scontext=system_u:system_r:container_t:s0 tclass=netlink_generic_socket permissive=0`;
const KERNEL =
  `[   12.345678] audit: type=1400 audit(1767225700.456:46): apparmor="DENIED" operation="mknod" profile="clusternet" name="/run/x" pid=79 comm="deno"`;
const OTHERS =
  `[   12.345678] audit: type=1400 audit(1767225700.456:47): apparmor="DENIED" operation="open" profile="firefox" name="/etc/x" pid=78 comm="firefox"`;

const LOG = [AUDITD, KERNEL, OTHERS, "[    1.000000] all is well"].join("\n");

Deno.test("denialsIn() takes what our program was denied, and nobody else", () => {
  assert.deepEqual(denialsIn(LOG, 0), [AUDITD, KERNEL]);
});

Deno.test("denialsIn() leaves out what was denied before", () => {
  assert.deepEqual(denialsIn(LOG, 1_767_225_700_999), [KERNEL]);
  assert.deepEqual(denialsIn(LOG, 1_767_225_701_000), []);
});

Deno.test("denialsIn() takes a line without a time as new", () => {
  const line = KERNEL.replace(/audit\([^)]*\): /, "");
  assert.deepEqual(denialsIn(line, Date.now()), [line]);
});

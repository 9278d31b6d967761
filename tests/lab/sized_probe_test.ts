/**
 * Packets of a size, through a path that swallows the large ones without a word,
 * to a kernel that refuses only so often.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Address, parseAddress } from "../../mod/core/address.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { SizedProbe } from "../../mod/sys/sized_probe.ts";
import { eventually } from "../support/eventually.ts";
import { inNamespace, ip } from "./in_namespace.ts";

const shim = await loadShim();

const FAR: readonly Address[] = ["192.0.2.2", "fd00:2::2"].map(parseAddress);

/** Another machine at the other end of a cable. */
class Far implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;

  constructor() {
    this.#process = new Deno.Command("unshare", {
      args: ["--net", "cat"],
      stdin: "piped",
      stdout: "null",
    }).spawn();
  }

  async cable(): Promise<void> {
    const { pid } = this.#process;
    const own = await Deno.readLink("/proc/self/ns/net");
    await eventually(() => Deno.readLinkSync(`/proc/${pid}/ns/net`) !== own);
    await ip(
      ...["link", "add", "cn0", "type", "veth", "peer", "name", "cn1"],
      ...["netns", `${pid}`],
    );
    await ip("address", "add", "192.0.2.1/24", "dev", "cn0");
    await ip("address", "add", "fd00:2::1/64", "dev", "cn0", "nodad");
    await ip("link", "set", "cn0", "up");
    await this.sh(`ip address add 192.0.2.2/24 dev cn1
ip address add fd00:2::2/64 dev cn1 nodad
ip link set cn1 up`);
  }

  async sh(script: string): Promise<void> {
    const { code, stderr } = await new Deno.Command("nsenter", {
      args: [`--net=/proc/${this.#process.pid}/ns/net`, "sh", "-ec", script],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stdin.close();
    await this.#process.status;
  }
}

inNamespace(import.meta.url, () => {
  Deno.test("SizedProbe finds the very size above which packets are lost, in IPv4 and in IPv6, even where the other machine has just refused a lot", async () => {
    await using far = new Far();
    await far.cable();
    const probes = FAR.map((address) => new SizedProbe(shim, address));
    const all = async (most: number): Promise<readonly (number | null)[]> =>
      await Promise.all(probes.map((probe) => probe.largest(most)));
    assert.deepEqual(await all(1_500), [1_500, 1_500]);
    assert.deepEqual(
      await Promise.all(probes.map((probe) => probe.comesThrough(1_501))),
      [false, false],
      "our own link does not take it",
    );
    await far.sh(`nft add table inet hole
nft 'add chain inet hole in { type filter hook prerouting priority -500; }'
nft add rule inet hole in meta length gt 1337 counter drop`);
    const many = Array.from({ length: 20 }, (_, more) => 100 + more);
    await Promise.all(probes.map((probe) => probe.largestOf(many)));
    assert.deepEqual(await all(1_500), [1_337, 1_337]);
  });
});

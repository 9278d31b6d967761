import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { loadShim } from "../../mod/sys/shim.ts";
import { sysctlTree } from "../../mod/sys/sysctl_tree.ts";
import { tempDir } from "../support/temp_dir.ts";

const shim = await loadShim();

const FILES: Readonly<Record<string, string>> = {
  "ipv4/conf/all/rp_filter": "0\n",
  "ipv4/conf/cn0/rp_filter": "2\n",
  "ipv4/conf/veth1/rp_filter": "1\n",
  "ipv4/conf/a.b/rp_filter": "1\n",
  "ipv4/ip_forward": "1\n",
  "ipv4/tcp_fastopen_key": "01234567-89abcdef-01234567-89abcdef\n",
  "ipv4/tcp_rmem": "4096\t131072\t6291456\n",
  "ipv6/conf/cn0/stable_secret": "2001:db8::5ec2:e7\n",
  "netfilter/nf_conntrack_max": "262144\n",
  "unix/max_dgram_qlen": "10\n",
};

async function withTree(
  body: (read: (most: number) => string) => void,
): Promise<void> {
  await using folder = await tempDir();
  for (const [name, text] of Object.entries(FILES)) {
    const path = join(folder.path, name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
  body((most) => sysctlTree({ link: "cn0", most, net: folder.path, shim }));
}

Deno.test("sysctlTree() reads the machine's settings and the own link's before those of pods, and none that is a secret", async () => {
  await withTree((read) => {
    assert.equal(
      read(10_000),
      `net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.cn0.rp_filter = 2
net.ipv4.ip_forward = 1
net.ipv4.tcp_rmem = 4096\t131072\t6291456
net.netfilter.nf_conntrack_max = 262144
net.ipv4.conf.a/b.rp_filter = 1
net.ipv4.conf.veth1.rp_filter = 1
`,
    );
  });
});

Deno.test("sysctlTree() ends where it is long enough", async () => {
  await withTree((read) => {
    assert.equal(
      read(33),
      "net.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.cn0.rp_filter = 2\n",
    );
  });
});

Deno.test("sysctlTree() reads this machine's settings, and no more of them than it may", () => {
  const options = { link: "lo", net: "/proc/sys/net", shim };
  const text = sysctlTree({ ...options, most: 1_000_000 });
  assert.match(text, /^net\.ipv4\.ip_forward = [01]$/m);
  assert.match(text, /^net\.ipv4\.conf\.lo\.forwarding = [01]$/m);
  assert.doesNotMatch(text, /stable_secret|_key/);
  assert.ok(sysctlTree({ ...options, most: 100 }).length < 300);
});

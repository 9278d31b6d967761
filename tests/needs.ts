/**
 * What single tests need beyond the lab and the guest.
 *
 * @module
 */

import type { Need } from "./support/packages.ts";

/** Of the unit tests. */
export const UNIT_NEEDS: readonly Need[] = [
  {
    package: "prometheus",
    why: "judges and tries the alerts (promtool)",
    anyOf: ["promtool"],
  },
  {
    package: "openssl",
    why: "certificates for the tests of TLS",
    anyOf: ["openssl"],
  },
  {
    package: "gcc-aarch64-linux-gnu",
    why: "compiles the shim for aarch64",
    anyOf: ["aarch64-linux-gnu-gcc"],
  },
  {
    package: "qemu-user",
    why: "runs the shim of aarch64",
    anyOf: ["qemu-aarch64", "qemu-aarch64-static"],
  },
  {
    package: "python3-yaml",
    why: "reads our YAML",
    anyOf: ["/usr/lib/python3/dist-packages/yaml"],
  },
  { package: "graphviz", why: "reads our graphs (dot)", anyOf: ["dot"] },
  {
    package: "libxml2-utils",
    why: "reads our pictures (xmllint)",
    anyOf: ["xmllint"],
  },
];

/** Of the tests in the lab. */
export const LAB_TEST_NEEDS: readonly Need[] = [
  {
    package: "prometheus",
    why: "scrapes agents, and judges their metrics (promtool)",
    anyOf: ["prometheus"],
  },
  {
    package: "openssl",
    why: "a certificate for the test of permissions",
    anyOf: ["openssl"],
  },
  {
    package: "nftables",
    why: "a look at our table from outside (nft)",
    anyOf: ["nft"],
  },
  {
    package: "strace",
    why: "ends a process before its every system call",
    anyOf: ["strace"],
  },
  {
    package: "chromium",
    why: "shows the agent's page, and says how it fares",
    anyOf: ["chromium"],
  },
  {
    package: "bsdutils",
    why: "a terminal for what is shown on one (script)",
    anyOf: ["script"],
  },
  {
    package: "iptables",
    why: "a host's firewall that drops what is forwarded",
    anyOf: ["iptables-nft"],
  },
  {
    package: "procps",
    why: "which processes there are, for `clusternet doctor` (ps)",
    anyOf: ["ps"],
  },
];

/** Of the executable and the image. */
export const IMAGE_NEEDS: readonly Need[] = [
  { package: "gcc", why: "compiles shim and launcher", anyOf: ["cc"] },
  {
    package: "libc6-dev",
    why: "the static C library of the launcher",
    anyOf: libraries("libc.a"),
  },
  {
    package: "libzstd-dev",
    why: "unpacks, in the launcher",
    anyOf: libraries("libzstd.a"),
  },
  {
    package: "nettle-dev",
    why: "sums up, in the launcher",
    anyOf: libraries("libnettle.a"),
  },
  {
    package: "zstd",
    why: "packs Deno into the executable",
    anyOf: ["zstd"],
  },
  { package: "buildah", why: "builds the image", anyOf: ["buildah"] },
];

/** Of the builds, and of the tests of what they make. */
export const PACK_NEEDS: readonly Need[] = [
  ...IMAGE_NEEDS,
  {
    package: "gcc-aarch64-linux-gnu",
    why: "compiles shim and launcher for aarch64",
    anyOf: ["aarch64-linux-gnu-gcc"],
  },
  {
    package: "qemu-user",
    why: "runs the executable of aarch64",
    anyOf: ["qemu-aarch64", "qemu-aarch64-static"],
  },
  {
    package: "busybox-static",
    why: "small programs for the launcher to unpack",
    anyOf: ["busybox"],
  },
  {
    package: "strace",
    why: "ends the launcher before its every system call",
    anyOf: ["strace"],
  },
  {
    package: "musl",
    why: "another C library, on a root of a test",
    anyOf: ["/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"],
  },
  {
    package: "lintian",
    why: "judges the Debian package",
    anyOf: ["lintian"],
  },
  {
    package: "nftables",
    why: "a table that is to be removed",
    anyOf: ["nft"],
  },
  {
    package: "strace",
    why: "ends an installation before its every system call",
    anyOf: ["strace"],
  },
  {
    package: "golang-github-containers-common",
    why: "the default seccomp profile of containers",
    anyOf: ["/usr/share/containers/seccomp.json"],
  },
  { package: "runc", why: "runs the image", anyOf: ["runc"] },
  {
    package: "containerd",
    why: "runs the image as a node would (ctr)",
    anyOf: ["containerd"],
  },
];

/** Of the tests under systemd. */
export const SYSTEMD_NEEDS: readonly Need[] = [
  {
    package: "systemd-container",
    why: "boots a machine with systemd (systemd-nspawn)",
    anyOf: ["systemd-nspawn"],
  },
  {
    package: "debootstrap",
    why: "makes that machine's root",
    anyOf: ["debootstrap"],
  },
  {
    package: "debian-archive-keyring",
    why: "the keys of that root's packages",
    anyOf: ["/usr/share/keyrings/debian-archive-keyring.gpg"],
  },
];

/** Of a real cluster, beside what is built from Go modules. */
export const KUBE_NEEDS: readonly Need[] = [
  { package: "openssl", why: "a cluster's certificates", anyOf: ["openssl"] },
  { package: "runc", why: "runs the pods' containers", anyOf: ["runc"] },
  {
    package: "busybox-static",
    why: "the programs in the pods' images",
    anyOf: ["busybox"],
  },
  {
    package: "iptables",
    why: "kube-proxy's rules, and those of hostPorts",
    anyOf: ["iptables"],
  },
  {
    package: "nftables",
    why: "kube-proxy's other kind of rules, and a look at ours (nft)",
    anyOf: ["nft"],
  },
  {
    package: "etcd-server",
    why: "an etcd too old for streamed lists (3.4)",
    anyOf: ["/usr/bin/etcd"],
  },
  {
    package: "curl",
    why: "asks over HTTP from pods, nodes and outside",
    anyOf: ["curl"],
  },
  {
    package: "bind9-dnsutils",
    why: "the same: names (dig, nslookup)",
    anyOf: ["dig"],
  },
  {
    package: "netcat-openbsd",
    why: "the same: UDP (nc)",
    anyOf: ["nc.openbsd"],
  },
  {
    package: "conntrack",
    why: "kube-proxy ends the flows of a Service's former pods with it",
    anyOf: ["conntrack"],
  },
];

/** Where Debian has a library of this machine, or of one that it is built for. */
function libraries(name: string): readonly string[] {
  return ["x86_64", "aarch64"].map((arch) =>
    `/usr/lib/${arch}-linux-gnu/${name}`
  );
}

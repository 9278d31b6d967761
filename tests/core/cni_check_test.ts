import assert from "node:assert/strict";
import {
  type CniFound,
  type EarlierFile,
  judgeCni,
  NOTHING_FOUND,
} from "../../mod/core/cni_check.ts";
import { textsOf } from "../../mod/core/problem.ts";

const CONFIG = {
  cniConfFile: "/etc/cni/net.d/10-clusternet.conflist",
  cniBinDirs: ["/opt/cni/bin", "/usr/lib/cni"],
};

const judge = (found: Partial<CniFound>): ReturnType<typeof judgeCni> =>
  judgeCni({ ...NOTHING_FOUND, ...found }, CONFIG);

const calico: EarlierFile = {
  path: "/etc/cni/net.d/10-calico.conflist",
  network: {
    name: "k8s-pod-network",
    plugins: ["calico", "portmap"],
    delegates: false,
  },
};

Deno.test("judgeCni() has nothing to say where all is there", () => {
  assert.deepEqual(judge({}), { problems: [], outages: [], notes: [] });
});

Deno.test("judgeCni() says which plugins are missing where, and what mends it", () => {
  const { problems, outages, notes } = judge({ missing: ["ptp", "portmap"] });
  assert.deepEqual(textsOf(problems), [
    "Cannot find the CNI plugins ptp, portmap in /opt/cni/bin or /usr/lib/cni, without which pods get no network: " +
    "install them (Debian's package is containernetworking-plugins), or name the container runtime's directory with --cni-bin-dir",
  ]);
  assert.deepEqual(outages, problems);
  assert.deepEqual(notes, []);
});

Deno.test("judgeCni() calls no network down for plugins that have worked since the boot", () => {
  const { problems, outages } = judge({ missing: ["ptp"], used: true });
  assert.equal(problems.length, 1);
  assert.deepEqual(outages, []);
});

Deno.test("judgeCni() calls no network down for what a pod does not see, and is silent once it works", () => {
  const blind = judge({ missing: ["ptp"], sighted: false });
  assert.match(
    textsOf(blind.problems).join(),
    /^Cannot find the CNI plugin ptp in .*, as far as this pod sees \(mount the node's directory\), /,
  );
  assert.deepEqual(blind.outages, []);
  const works = judge({ missing: ["ptp"], sighted: false, used: true });
  assert.deepEqual(works, { problems: [], outages: [], notes: [] });
});

Deno.test("judgeCni() names the file that a runtime takes before ours, and whose it is", () => {
  const { problems, outages } = judge({
    earlier: [calico, {
      path: "/etc/cni/net.d/10-canal.conf",
      network: undefined,
    }],
  });
  assert.deepEqual(textsOf(problems), [
    '/etc/cni/net.d/10-calico.conflist comes before /etc/cni/net.d/10-clusternet.conflist with the network "k8s-pod-network" (calico, portmap): ' +
    "container runtimes take the first file, so new pods are not on this network; " +
    "remove it, or rename it (mv /etc/cni/net.d/10-calico.conflist /etc/cni/net.d/10-calico.conflist.off)",
  ]);
  assert.deepEqual(outages, problems);
});

Deno.test("judgeCni() says the same of a file that no runtime can read: it keeps them from ours", () => {
  const { outages } = judge({
    earlier: [{ ...calico, network: undefined }],
  });
  assert.match(
    textsOf(outages).join(),
    /with what cannot be read as a CNI configuration: .* pods may not start; remove it/,
  );
});

Deno.test("judgeCni() leaves Multus be, which hands pods on: a line, and no more", () => {
  const multus = {
    path: "/etc/cni/net.d/00-multus.conf",
    network: { name: "multus", plugins: ["multus"], delegates: true },
  };
  const { problems, outages, notes } = judge({ earlier: [multus] });
  assert.deepEqual([problems, outages], [[], []]);
  assert.match(notes.join(), /00-multus\.conf .* ours has to be among them$/);
});

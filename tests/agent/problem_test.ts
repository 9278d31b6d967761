/**
 * Every problem of a node's network has its own reason from the part that says
 * it, and the condition carries both.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NOTHING_FOUND } from "../../mod/core/cni_check.ts";
import { BARE_MS } from "../../mod/core/desired.ts";
import { ERRNO } from "../../mod/core/errors.ts";
import {
  isOurCondition,
  networkIsDown,
} from "../../mod/core/node_condition.ts";
import {
  type Problem,
  PROBLEM_REASONS,
  problemOf,
  type ProblemReason,
} from "../../mod/core/problem.ts";
import { oldServer } from "../../mod/core/server_version.ts";
import { ApiError, networkError } from "../../mod/sys/kube_error.ts";
import { type Bench, CONFIG, keyOf, listed, makeBench, node } from "./bench.ts";
import type { FakeKernelOptions } from "../fakes/kernel.ts";

const PATH = "/etc/cni/net.d/00-other.conf";

/** What the turns of an agent say of a node that was prepared like this. */
async function said(
  prepare: (bench: Bench) => void | Promise<void>,
  options: FakeKernelOptions = {},
): Promise<Problem | undefined> {
  const bench = await makeBench(options);
  listed(bench, 2);
  await prepare(bench);
  try {
    const { problems } = await bench.reconciler.turn("full");
    return problems[0];
  } catch (error) {
    return problemOf(error);
  }
}

function refused(code: number, reason: string): Problem {
  const operation = { what: "watch Nodes", grant: "nodes list,watch" };
  const message = `nodes is forbidden: User "x" cannot watch resource "nodes"`;
  const status = { code, reason, message };
  // deno-lint-ignore no-explicit-any
  return problemOf(new ApiError(operation, status as any));
}

const own = (bench: Bench, change: Parameters<typeof node>[1]): void =>
  bench.nodes.upsert(node(1, { publicKey: bench.publicKey, ...change }));

type Said = Problem | undefined;

const SAID: Readonly<Record<ProblemReason, () => Promise<Said> | Said>> = {
  ListenPortInUse: () =>
    said(({ kernel }) => void kernel.hand.occupyPort(CONFIG.listenPort)),
  NoPodCIDRs: () =>
    said(async (bench) => {
      own(bench, { podCidrs: [] });
      await bench.reconciler.turn("full");
      await bench.clock.advance(BARE_MS);
    }),
  PodCIDROutsideClusterCIDR: () =>
    said((bench) => own(bench, { podCidrs: ["10.9.0.0/24"] })),
  PodCIDRUnusable: () =>
    said((bench) => own(bench, { podCidrs: ["10.0.1.0/31"] })),
  NoInternalIP: () => said((bench) => own(bench, { internalIps: [] })),
  NodeNotRegistered: () => said((bench) => bench.nodes.remove("n1")),
  NodesNotListed: async () => {
    const bench = await makeBench();
    return (await bench.reconciler.turn("full")).problems[0];
  },
  CNIPluginMissing: () =>
    said((bench) => {
      bench.cni.found = { ...NOTHING_FOUND, missing: ["ptp"] };
    }),
  ForeignCNIConfiguration: () =>
    said((bench) => {
      const network = { name: "m", plugins: ["bridge"], delegates: false };
      bench.cni.found = {
        ...NOTHING_FOUND,
        earlier: [{ path: PATH, network }],
      };
    }),
  ClusterCIDROverlap: () =>
    said((bench) => own(bench, { internalIps: ["10.0.200.1"] })),
  ForeignRoute: () =>
    said(({ kernel }) =>
      kernel.inject({
        errno: ERRNO.EEXIST,
        on: ({ text }) => text.startsWith("add-route"),
      })
    ),
  NoUserspaceWireGuard: () => said(() => {}, { kind: "userspace" }),
  ForeignLink: () =>
    said(({ kernel }) => {
      kernel.hand.addLink(CONFIG.interface, "wireguard");
      kernel.hand.setDeviceKey(CONFIG.interface, keyOf(5));
    }),
  NoWireGuard: () => said(() => {}, { wireguard: false }),
  NoNftables: () => said(() => {}, { nftables: false }),
  NotPermitted: () =>
    said(({ kernel }) =>
      kernel.inject({
        errno: ERRNO.EPERM,
        on: ({ kind, text }) => kind === "write" && text.includes("ip_forward"),
      })
    ),
  UndoneBySomebodyElse: () =>
    said(({ kernel }) => {
      const { write } = kernel.sysctl;
      kernel.sysctl.write = async (name, value) => {
        await write.call(kernel.sysctl, name, value);
        kernel.hand.setSysctl(name, "0");
      };
    }),
  APIServerUnreachable: () =>
    problemOf(
      networkError({
        server: "https://192.0.2.1:6443",
        serverFrom: "--server",
        source: "kubeconfig",
      }, new Error("Connection refused")),
    ),
  APIServerTooOld: () => oldServer("v1.29.1", "https://192.0.2.1:6443"),
  APIForbidden: () => refused(403, "Forbidden"),
  APIUnauthorized: () => refused(401, "Unauthorized"),
  APIServerTrouble: () => refused(500, "InternalError"),
  ClusternetIsDown: () => problemOf(new Error("What nobody has thought of")),
};

for (const reason of PROBLEM_REASONS) {
  Deno.test(`a node of which ${reason} is true says so in its condition, with the sentence`, async () => {
    const problem = await SAID[reason]();
    assert(problem !== undefined && problem.text !== "");
    assert.equal(problem.reason, reason, problem.text);
    const condition = networkIsDown(problem);
    const { text: message } = problem;
    assert.deepEqual(condition, { status: "True", reason, message });
    assert(isOurCondition(condition), "uninstall takes it back");
  });
}

Deno.test("a reason is as Kubernetes takes it, and there is none twice", () => {
  assert.equal(new Set(PROBLEM_REASONS).size, PROBLEM_REASONS.length);
  for (const reason of PROBLEM_REASONS) {
    // k8s.io/apimachinery, metav1.Condition: CamelCase, at most 128 here.
    assert.match(reason, /^[A-Z][A-Za-z]{1,127}$/);
  }
});

Deno.test("a condition of somebody else is not ours", () => {
  for (const reason of ["FlannelIsUp", "NoRouteCreated", "CalicoIsDown", ""]) {
    assert(!isOurCondition({ status: "True", reason, message: "x" }));
  }
});

/**
 * The service on a machine with a real systemd, as node n1 of a lab whose other
 * node is an ordinary one: there is somebody at the far end of the tunnel.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { deployedFiles, EXECUTABLE } from "../../mod/cli/install_files.ts";
import type { Diagnosis } from "../../mod/doctor/check.ts";
import { answerOf } from "../lab/doctor.ts";
import { cannotRun, eventually, pause, SEED } from "../lab/harness.ts";
import { labNamespaces, leftovers, lookAround } from "../lab/leaks.ts";
import { Lab } from "../lab/lab.ts";
import type { LabNode, Pod } from "../lab/node.ts";
import { Probe, probeText } from "../lab/probe.ts";
import { skipped } from "../support/skip.ts";
import { cannotBoot, Machine } from "./machine.ts";
import type { Suite } from "./root.ts";

export const UNIT = "clusternet.service";
export const WIREGUARD_GO_UNIT = "clusternet-wireguard-go.service";

/** What `deno task build` has made. */
const BUILT = fileURLToPath(
  new URL("../../.build/bundled/clusternet", import.meta.url),
);

/** As an installation has it, where the kubelet keeps its own. */
export const KUBECONFIG = "/etc/kubernetes/kubelet.conf";

export interface ServiceOptions {
  /** Which Debian the machine is; trixie by default. */
  readonly suite?: Suite;
  /** Variables to set in clusternet.env. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Paths to texts, drop-ins for example, beside what is deployed. */
  readonly files?: Readonly<Record<string, string>>;
  /** Paths of deployed files to leave out. */
  readonly without?: readonly string[];
  /** Whether the boot starts it; it does by default. */
  readonly enabled?: boolean;
  /** Whether the API server is away when the machine boots. */
  readonly apiAway?: boolean;
  /** Whether to wait until it has its peer; by default if it is enabled. */
  readonly settled?: boolean;
}

export interface Service {
  readonly lab: Lab;
  readonly machine: Machine;
  /** The machine as a node of the lab: its network and its addresses. */
  readonly node: LabNode;
  /** The other node, with its agent. */
  readonly far: LabNode;
  /** A part of the test with a name of its own. */
  readonly claim: (name: string, body: () => Promise<void>) => Promise<void>;
}

/** Registers a test that gets the service on a machine, and that leaves nothing. */
export function serviceTest(
  name: string,
  options: ServiceOptions,
  body: (service: Service) => Promise<void>,
): void {
  const ignore = cannotBoot(name) || cannotRun(name) ||
    skipped(name, { files: [BUILT] });
  Deno.test({
    name,
    ignore,
    fn: (context) => underTest(context, options, body),
  });
}

async function underTest(
  context: Deno.TestContext,
  options: ServiceOptions,
  body: (service: Service) => Promise<void>,
): Promise<void> {
  const before = await lookAround();
  const lab = await Lab.start({ nodes: 2, seed: SEED });
  let namespaces: readonly string[] = [];
  try {
    await using service = await bootService(lab, options);
    namespaces = labNamespaces(lab);
    await body({
      ...service,
      claim: async (name, body) => {
        const passed = await context.step({
          name,
          fn: body,
          // What the test keeps reading began before the step.
          sanitizeOps: false,
          sanitizeResources: false,
        });
        assert.ok(passed, name);
      },
    });
  } finally {
    await lab.end();
  }
  const left = await leftovers(lab.run, { before, namespaces });
  assert.deepEqual(left, [], "left behind");
}

async function bootService(
  lab: Lab,
  options: ServiceOptions,
): Promise<Omit<Service, "claim"> & AsyncDisposable> {
  await lab.startApi();
  await lab.boot();
  await lab.register();
  await lab.assignPodCidrs();
  const [node, far] = lab.nodes;
  assert.ok(node !== undefined && far !== undefined);
  // The machine has its own.
  await node.wireguardGo?.stop();
  far.startAgent();
  if (options.apiAway) {
    await eventually("the far node is known", () => published(lab, far));
    await lab.api.goDown();
  }
  const machine = await Machine.boot({
    space: node.space,
    suite: options.suite,
    prepare: (machine) => deploy(machine, lab, options),
  });
  const service = { lab, machine, node, far };
  try {
    if (options.settled ?? options.enabled ?? true) await settled(service);
  } catch (cause) {
    const lines = (await machine.journal(UNIT)).map(({ MESSAGE }) => MESSAGE);
    await machine.end();
    throw new Error(lines.slice(-12).join("\n"), { cause });
  }
  return { ...service, [Symbol.asyncDispose]: () => machine.end() };
}

/** Defined once its agent has put its key on its Node. */
async function published(lab: Lab, node: LabNode): Promise<true | undefined> {
  const { metadata } = await lab.api.node(node.name);
  return Object.keys(metadata.annotations ?? {}).length > 0 ? true : undefined;
}

/** `clusternet doctor` on the machine; with `only`, these checks. */
export async function diagnosed(
  { machine }: Service,
  only?: string,
): Promise<Diagnosis> {
  const flags = only === undefined ? [] : ["--only", only];
  const command = [EXECUTABLE, "doctor", "-o", "json", ...flags];
  return answerOf(await machine.run(command));
}

/** Power off and on, with a network as fresh as all else; the disk and the API server stay. */
export async function reboot({ machine, node }: Service): Promise<void> {
  await machine.powerOff();
  await node.reboot();
  await node.wireguardGo?.stop();
  await machine.start(node.space);
}

/** As `clusternet install` does. */
async function deploy(
  machine: Machine,
  lab: Lab,
  options: ServiceOptions,
): Promise<void> {
  const variables = new Map(Object.entries({
    CLUSTERNET_NODE_NAME: lab.nodes[0]?.name ?? "",
    ...options.variables,
  }));
  await machine.copyIn(BUILT, EXECUTABLE);
  const files = deployedFiles({ executable: EXECUTABLE, variables })
    .filter(({ target }) => !options.without?.includes(target));
  for (const { target, text, mode } of files) {
    await machine.write(target, text, mode);
  }
  await machine.write(KUBECONFIG, kubeconfig(lab.settings.apiUrl), 0o600);
  for (const [path, text] of Object.entries(options.files ?? {})) {
    await machine.write(path, text);
  }
  if (options.enabled ?? true) await enable(machine);
}

async function enable(machine: Machine): Promise<void> {
  const wants = "/etc/systemd/system/multi-user.target.wants";
  await Deno.mkdir(machine.outside(wants), { recursive: true });
  const link = machine.outside(`${wants}/${UNIT}`);
  await Deno.symlink(`/etc/systemd/system/${UNIT}`, link);
}

export function kubeconfig(server: string): string {
  return `apiVersion: v1
kind: Config
current-context: here
contexts: [{ name: here, context: { cluster: here, user: node } }]
clusters: [{ name: here, cluster: { server: "${server}" } }]
users: [{ name: node, user: {} }]
`;
}

/** Waits until the service has its peer, and its peer it. */
export async function settled(
  { machine, far }: Pick<Service, "machine" | "far">,
): Promise<void> {
  await statusIs(machine, /^OK, 1 peer$/);
  await eventually("the far node has the machine as its peer", async () => {
    return (await far.peers()).length === 1 ? true : undefined;
  }, 30_000);
}

/** Waits until `systemctl status` shows such a sentence. */
export async function statusIs(
  machine: Machine,
  pattern: RegExp,
): Promise<string> {
  let last = "";
  try {
    return await eventually(`the status is ${pattern}`, async () => {
      last = (await machine.show(UNIT, ["StatusText"])).StatusText ?? "";
      return pattern.test(last) ? last : undefined;
    }, 30_000);
  } catch (cause) {
    throw new Error(`The status is "${last}", not ${pattern}`, { cause });
  }
}

/** Packets a second in each direction: userspace WireGuard shares two processors with all the rest. */
const PROBE_RATE = 125;

/** Sends packets both ways through the tunnel while something is done; fails if one is lost. */
export async function losesNothingBothWays(
  { node, far }: Service,
  deed: () => Promise<void>,
): Promise<void> {
  const pod = far.pods[0] ?? await far.addPod("far");
  const here = (command: readonly string[]): readonly string[] =>
    node.space.command(command);
  const there = (command: readonly string[]): readonly string[] =>
    far.space.command(command, pod.name);
  await using out = await Probe.start({
    ...{ from: here, to: there, address: addressOf(pod), port: 7007 },
    ...{ rate: PROBE_RATE, env: node.settings.env },
  });
  await using back = await Probe.start({
    ...{ from: there, to: here, address: gatewayOf(node), port: 7008 },
    ...{ rate: PROBE_RATE, env: node.settings.env },
  });
  await pause(200);
  await deed();
  await pause(200);
  const [sent, received] = await Promise.all([out.stop(), back.stop()]);
  assert.equal(sent.lost, 0, `out: ${probeText(sent)}`);
  assert.equal(received.lost, 0, `back: ${probeText(received)}`);
}

function addressOf(pod: Pod): string {
  return pod.addresses[0] ?? "";
}

/** The machine's own address among its pods'. */
function gatewayOf(node: LabNode): string {
  return (node.plan.podCidrs[0] ?? "").replace(/\.0\/24$/, ".1");
}

/** What WireGuard has in the machine's network: endpoints and ranges, without counters. */
export async function tunnels({ machine }: Service): Promise<string> {
  const dump = await machine.must(["wg", "show", "clusternet", "dump"]);
  return dump.split("\n").slice(1)
    .map((line) => line.split("\t").slice(0, 4).join(" ")).sort().join("\n");
}

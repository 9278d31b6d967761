/**
 * What is wrong with a cluster, on a real control plane: for each case the agent
 * says one sentence that names what to change, its readiness says the same, what
 * it has set stays as it is, and all is well again by itself once it is mended.
 *
 * Every case has a host of its own, and they run side by side.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Authority } from "../support/certificates.ts";
import type { AgentHost } from "./agent_host.ts";
import {
  AWAY,
  type BadInput,
  CONTROLLER_FLAGS,
  CREDENTIALS,
  FORBIDDEN,
  OWN_NAME,
  OWN_NAME_FILES,
  POD_CIDRS,
  putServerCertificate,
} from "./bad_inputs.ts";
import {
  allowEvents,
  eventsOf,
  isCalledOff,
  isTold,
  seriesGrows,
} from "./node_events.ts";
import { isTainted, networkSays } from "./conditions.ts";
import { pause } from "../lab/harness.ts";
import { LASTS_MS } from "../../mod/core/troubles.ts";
import { newFolder, tellLogs } from "./harness.ts";
import { Hosts } from "./hosts.ts";
import { tellsPeersDown } from "./peers_down.ts";

const CASES = [...FORBIDDEN, ...CREDENTIALS, ...AWAY, ...POD_CIDRS];

/** Milliseconds until an agent that starts is well, on a machine with much to do. */
const START_MS = 30_000;
/** Milliseconds: trouble is told after 15 s, and a watch looks for itself after 30. */
const TOLD_MS = 60_000;
/** Milliseconds, at the pace of requests that fail. */
const MENDED_MS = 45_000;
/** Milliseconds: a trouble that lasts is told after 15 to 30 s. */
const EVENT_MS = 45_000;

/** What an agent says, once, that goes on without Events. */
const WITHOUT_EVENTS: ReadonlyMap<BadInput["events"], RegExp> = new Map([
  [
    "denied",
    /Cannot write an Event: 403 .*; grant events\.k8s\.io .* \(all goes on without Events\)/,
  ],
  [
    "refused",
    /Cannot write an Event: 422 .*'clusternet-own-events' .* denied request: the agent of Node stranger may write Events about that Node alone, not about Node n\d+ \(all goes on without Events\)/,
  ],
]);

const SIDE_BY_SIDE = {
  sanitizeOps: false,
  sanitizeResources: false,
  sanitizeExit: false,
};

Deno.test("what is wrong with a cluster is one sentence, and costs the data plane nothing", async (t) => {
  const folder = newFolder();
  const pair = ["crt", "key"].map((end) =>
    `${folder}/${OWN_NAME_FILES}.${end}`
  );
  await using hosts = await Hosts.start({
    folder,
    // And one for --once, two that are peers.
    count: CASES.length + 3,
    flags: {
      "kube-controller-manager": CONTROLLER_FLAGS,
      "kube-apiserver": { "tls-sni-cert-key": `${pair.join()}:${OWN_NAME}` },
    },
    // Signed by the cluster's authority as soon as that is there.
    prepare: () => {
      Deno.mkdirSync(`${folder}/throw-away`);
      const { cert, key } = Authority.create(`${folder}/throw-away`).issue(
        "/CN=throw-away",
        [`DNS:${OWN_NAME}`],
      );
      putServerCertificate(folder, { cert, key });
    },
  });
  await allowAgents(hosts);
  const { authority } = hosts.plane.credentials;
  putServerCertificate(
    folder,
    authority.issue("/CN=kube-apiserver", [`DNS:${OWN_NAME}`]),
  );
  const steps = CASES.map(async (each) => {
    const host = await hosts.boot();
    return await t.step({
      name: `the agent says that ${each.name}`,
      ...SIDE_BY_SIDE,
      fn: () => breakAndMend(hosts, host, each),
    });
  });
  const once = t.step({
    name: "--once says the same, alone, and ends with exit code 1",
    ...SIDE_BY_SIDE,
    fn: () => onceSaysIt(hosts),
  });
  const hostsOfPair = [await hosts.boot(), await hosts.boot()] as const;
  const peersDown = t.step({
    name:
      "an agent whose pods get no answer from a Node says from which, and that they do again",
    ...SIDE_BY_SIDE,
    fn: () => tellsPeersDown(hosts, hostsOfPair),
  });
  const passed = await Promise.all([...steps, once, peersDown]);
  if (passed.includes(false)) tellLogs(folder);
});

/** What `kubectl apply -k` of the manifests gives, without their pods. */
async function allowAgents(hosts: Hosts): Promise<void> {
  for (const file of ["namespace", "service_account", "rbac"]) {
    await hosts.kubectl("apply", "-f", `deploy/kustomize/base/${file}.yaml`);
  }
  const host = "deploy/kustomize/overlays/host-service/rbac.yaml";
  await hosts.kubectl("apply", "-f", host);
  await hosts.kubectl("apply", "-k", "deploy/kustomize/own-events");
}

async function breakAndMend(
  hosts: Hosts,
  host: AgentHost,
  each: BadInput,
): Promise<void> {
  const well = await each.well(hosts, host);
  if (each.events === "told" || each.events === "off") {
    await allowEvents(hosts, `agent:${host.name}`);
  }
  const off = each.events === "off" ? ["--events=false"] : [];
  host.startAgent({ ...well, flags: [...well.flags, ...off] });
  await host.statusIs(/^OK, \d+ peers?$/, START_MS);
  await networkSays(hosts.admin, host.name, { message: /^clusternet has / });
  const before = await host.dataPlane();
  const degraded = new RegExp(
    each.says.source.replace(/^\^/, "^Degraded: ").replace(
      /\$$/,
      "(?: \\(and \\d+ more\\))?$",
    ),
  );

  await each.break(hosts, host);
  await host.statusIs(degraded, TOLD_MS);
  assert.equal(await host.dataPlane(), before, "the data plane has changed");
  await networkSays(hosts.admin, host.name, {
    message: each.isOutage ? each.says : /^clusternet has /,
  });
  if (each.isOutage) {
    await hosts.admin.until(`/api/v1/nodes/${host.name}`, isTainted, {
      what: `${host.name} has the taint that keeps pods off`,
    });
  }
  if (each.events === "told") await isTold(hosts, host, each);

  // One that begins like this says so at once, and leaves all as it is.
  await host.restartAgent();
  await host.statusIs(degraded, START_MS);
  assert.equal(await host.dataPlane(), before, "a restart has changed it");
  if (each.events === "told") await seriesGrows(hosts, host);
  // By then others have told of what is wrong with theirs.
  if (each.events === "off") await pause(2 * LASTS_MS);
  const without = WITHOUT_EVENTS.get(each.events);
  if (without !== undefined) {
    await host.agent.line(without, { withinMs: EVENT_MS });
  }

  await each.mend(hosts, host);
  await host.statusIs(/^OK, \d+ peers?$/, MENDED_MS);
  await networkSays(hosts.admin, host.name, { message: /^clusternet has / });
  const after = await host.dataPlane();
  if (each.movesPods === undefined) assert.equal(after, before);
  else assert.notEqual(after, before);
  if (each.events === "told") await isCalledOff(hosts, host);
  if (each.events === "off" || without !== undefined) {
    assert.deepEqual(await eventsOf(hosts, host), []);
  }
  if (without !== undefined) {
    const said = host.agent.lines.filter((line) => /an Event/.test(line));
    assert.equal(said.length, 1, said.join("\n"));
  }
}

async function onceSaysIt(hosts: Hosts): Promise<void> {
  const host = await hosts.boot();
  const user = `agent:${host.name}`;
  await hosts.makeRole("watches-nothing", {
    "nodes": ["get"],
    "nodes/status": ["patch"],
  });
  await hosts.bind(user, "watches-nothing");
  const file = hosts.kubeconfig(host, hosts.plane.credentials.user(user));
  const { code, stderr } = await host.once({ flags: ["--kubeconfig", file] });
  const said = stderr.split("\n").filter((line) =>
    line.startsWith("clusternet: ")
  );
  assert.equal(said.length, 1, stderr);
  assert.match(
    said[0] ?? "",
    /^clusternet: Cannot watch Nodes: 403 Forbidden: .*; grant nodes list,watch: bind it to the ClusterRole clusternet \(kubectl apply -k deploy\/kustomize\/base\) \(since /,
  );
  assert.equal(code, 1);
}

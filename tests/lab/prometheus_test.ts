/**
 * A real Prometheus takes what real agents serve, under the alerts of
 * `deploy/prometheus`, and says so when something is really broken.
 *
 * @module
 */

import assert from "node:assert/strict";
import { skipped } from "../support/skip.ts";
import { addPods, bringUp, eventually, labTest, patience } from "./harness.ts";
import type { Lab } from "./lab.ts";
import { firstNode } from "./look.ts";
import { type Alert, httpGet, Prometheus } from "./prometheus.ts";

const RULES = new URL(
  "../../deploy/prometheus/clusternet.rules.yaml",
  import.meta.url,
);

const PORT = 7840;

const NAME =
  "a real Prometheus scrapes agents, names peers by their Nodes, and its alerts fire and end with what they tell of";

/** The same alerts, that nobody has to wait for minutes for. */
async function quickRules(): Promise<string> {
  const text = await Deno.readTextFile(RULES);
  const quick = text.replaceAll(/^( +for:) \d+m$/gm, "$1 1s");
  assert.ok(quick.match(/for: 1s/g)?.length === text.match(/for: /g)?.length);
  return quick;
}

if (skipped(NAME, { commands: ["prometheus"] })) {
  Deno.test({ name: NAME, ignore: true, fn: () => {} });
} else {
  labTest(NAME, { nodes: 3 }, async (lab) => {
    await bringUp(lab, ["--metrics-bind-address", `0.0.0.0:${PORT}`]);
    await addPods(lab, 1);
    const node = firstNode(lab);
    await using prometheus = await Prometheus.start(node, {
      rules: await quickRules(),
      targets: addressesOf(lab),
    });
    await seesAll(prometheus, lab);
    await tellsOfAbsence(prometheus, lab);
    await tellsOfPeer(prometheus, lab);
  });
}

function addressesOf(lab: Lab): readonly string[] {
  return lab.nodes.map(({ plan }) => `${plan.internalIps[0]}:${PORT}`);
}

async function seesAll(prometheus: Prometheus, lab: Lab): Promise<void> {
  await prometheus.until("up == 1", lab.nodes.length).catch(async (cause) => {
    const said = JSON.stringify(await prometheus.targets());
    throw new Error(`Cannot scrape: ${said}`, { cause });
  });
  for (const { health, lastError } of await prometheus.targets()) {
    assert.deepEqual([health, lastError], ["up", ""]);
  }
  const own = `instance="${addressesOf(lab)[0]}"`;
  const peers = await prometheus.until(
    `wireguard_sent_bytes_total{${own}}`,
    2,
  );
  assert.deepEqual(
    peers.map(({ metric }) => metric.friendly_name).sort(),
    ["n2", "n3"],
  );
  const [build] = await prometheus.until(`clusternet_build_info{${own}}`, 1);
  assert.match(build?.metric.version ?? "", /^\d+\.\d+\.\d+$/);
  const [turns] = await prometheus.until(
    `clusternet_turn_seconds_count{${own}}`,
    1,
  );
  assert.ok(Number(turns?.value[1]) > 0);
  assert.deepEqual(await prometheus.alerts(), []);
}

async function firing(
  prometheus: Prometheus,
  name: string,
  instance: string,
): Promise<Alert> {
  return await eventually(
    `${name} fires`,
    async () =>
      (await prometheus.alerts()).find(({ labels, state }) =>
        state === "firing" && labels.alertname === name &&
        labels.instance === instance
      ),
    patience(20_000),
  );
}

async function quiet(prometheus: Prometheus): Promise<void> {
  await eventually("no alert is left", async () => {
    const left = await prometheus.alerts();
    return left.length === 0 ? true : undefined;
  }, patience(20_000));
}

async function tellsOfAbsence(prometheus: Prometheus, lab: Lab): Promise<void> {
  const [, , third] = lab.nodes;
  const [, , address = ""] = addressesOf(lab);
  assert.ok(third !== undefined);
  await third.stopAgent();
  const alert = await firing(prometheus, "ClusternetAgentAbsent", address);
  assert.match(alert.annotations.summary ?? "", /does not answer$/);
  third.startAgent(["--metrics-bind-address", `0.0.0.0:${PORT}`]);
  await quiet(prometheus);
}

/** Its Node names a key that nobody has, so nobody answers for it. */
async function tellsOfPeer(prometheus: Prometheus, lab: Lab): Promise<void> {
  const [one, two] = lab.nodes;
  const [address = ""] = addressesOf(lab);
  assert.ok(one !== undefined && two !== undefined);
  const key = new Uint8Array(32).fill(5).toBase64();
  await two.stopAgent();
  await lab.api.patch(two.name, {
    metadata: { annotations: { "clusternet.dev/wg-pubkey": key } },
  });
  await eventually("n1 has the new key", async () => {
    return (await one.peers()).includes(key) ? true : undefined;
  });
  // Scrapes look for themselves, but not more often than once in 50 seconds.
  await httpGet(one, "127.0.0.1:7839", "/v1/status?probe=1");
  const alert = await firing(prometheus, "ClusternetPeerDown", address);
  assert.equal(alert.labels.state, "down");
  assert.match(alert.annotations.summary ?? "", /^1 peers do not answer/);
  // Its agent publishes its own key again.
  two.startAgent(["--metrics-bind-address", `0.0.0.0:${PORT}`]);
  await quiet(prometheus);
}

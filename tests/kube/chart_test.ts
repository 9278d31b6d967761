/**
 * The chart and the kustomizations of `deploy/` are one, and bad values are said.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { manifests } from "../../deploy/release.ts";
import { VERSION } from "../../mod/core/version.ts";
import { must } from "../lab/exec.ts";
import { tempDir } from "../support/temp_dir.ts";
import {
  CHART,
  chart,
  environmentOf,
  keyOfPolicy,
  KUSTOMIZE,
  kustomized,
  mustRunTool,
  normalised,
  ownKustomization,
  PAIRS,
  podOf,
  runTool,
} from "./kubectl.ts";

for (const [folder, values] of PAIRS) {
  Deno.test(
    `the chart gives what ${folder} gives${
      values.length === 0 ? "" : `, with ${values.join(" ")}`
    }`,
    async () => {
      const ours = normalised(await kustomized(`${KUSTOMIZE}/${folder}`));
      assert.ok(ours.length >= 4);
      assert.deepEqual(normalised(await chart(values)), ours);
    },
  );
}

/** Component of the kustomization, the values that give the same, and what it is for. */
const COMPONENTS: readonly (readonly [
  component: string,
  values: readonly string[],
  has: RegExp,
])[] = [
  ["wireguard-go", ["wireguardGo=true"], /"mountPath":"\/run\/wireguard"/],
  ["pod-monitor", ["podMonitor.enabled=true"], /"kind":"PodMonitor"/],
  [
    "metrics",
    ["options.metrics-bind-address=0.0.0.0:7840"],
    /"hostPort":7840/,
  ],
];

for (const [component, values, has] of COMPONENTS) {
  Deno.test(`the chart's ${values} is the component ${component}`, async () => {
    await using own = await ownKustomization(`
      apiVersion: kustomize.config.k8s.io/v1beta1
      kind: Kustomization
      resources: [../kustomize/base]
      components: [../kustomize/components/${component}]
    `);
    const ours = normalised(await kustomized(own.path));
    assert.match(JSON.stringify(ours), has);
    assert.deepEqual(normalised(await chart(values)), ours);
  });
}

Deno.test("each component adds to the base what it is for, and leaves the rest as it is", async () => {
  const built = async (...names: readonly string[]): Promise<string> => {
    const paths = names.map((name) => `../kustomize/components/${name}`);
    await using own = await ownKustomization(`
      apiVersion: kustomize.config.k8s.io/v1beta1
      kind: Kustomization
      resources: [../kustomize/base]
      components: [${paths.join(", ")}]
    `);
    return JSON.stringify(normalised(await kustomized(own.path)));
  };
  const base = await built();
  const monitored = await built("pod-monitor");
  assert.match(monitored, /"kind":"PodMonitor"/);
  assert.match(monitored, /"hostPort":7840/);
  assert.match(
    await built("scrape-annotations"),
    /"prometheus\.io\/port":"7840"/,
  );
  const traced = await built("tracing");
  assert.match(traced, /"name":"OTEL_DENO","value":"true"/);
  // The variable that it refers to has to come before it.
  assert(traced.indexOf('"HOST_IP"') < traced.indexOf("$(HOST_IP)"));
  for (const text of [monitored, traced]) {
    assert(text.length > base.length);
    assert.match(text, /"mountPath":"\/var\/lib\/clusternet"/);
  }
});

Deno.test("what a release publishes of chart and kustomizations gives the same", async () => {
  await using folder = await tempDir();
  await manifests(folder.path);
  const ours = await kustomized(`${KUSTOMIZE}/base`);
  const archive = join(folder.path, `clusternet-${VERSION}-kustomize.tar.gz`);
  await must(["tar", "-xzf", archive, "-C", folder.path]);
  assert.deepEqual(await kustomized(join(folder.path, "kustomize/base")), ours);
  const packed = join(folder.path, `clusternet-${VERSION}.tgz`);
  assert.deepEqual(normalised(await chart([], packed)), normalised(ours));
});

Deno.test("helm lint finds nothing amiss in the chart", async () => {
  const said = await mustRunTool("helm", ["lint", "--strict", CHART]);
  assert.match(said, /1 chart\(s\) linted, 0 chart\(s\) failed/);
  assert.doesNotMatch(said, /\[(WARNING|ERROR)\]/);
});

/** What is set, and what the chart's schema says to it. */
const BAD_VALUES: readonly (readonly [set: string, says: RegExp])[] = [
  ["mode=pod", /at '\/mode': value must be one of 'pods', 'service'/],
  ["replicas=2", /at '': additional properties 'replicas' not allowed/],
  [
    "clusterCIDRs={10.0.0.0}",
    /at '\/clusterCIDRs\/0': '10\.0\.0\.0' does not match pattern/,
  ],
  ["clusterCIDRs=null", /at '': missing property 'clusterCIDRs'/],
  [
    "clusterCIDRs={10.0.0.0/16,fd00::/48,10.1.0.0/16}",
    /at '\/clusterCIDRs': maxItems: got 3, want 2/,
  ],
  ["image.repository=", /at '\/image\/repository': minLength/],
  ["image.digest=sha256:1", /at '\/image\/digest': 'sha256:1' does not match/],
  ["annotation=-a", /at '\/annotation': '-a' does not match pattern/],
  [
    "apiServer.host=https://192.0.2.1",
    /at '\/apiServer\/host': 'https:\/\/192\.0\.2\.1' does not match/,
  ],
  [
    "options.listenPort=1",
    /at '\/options': additional properties 'listenPort' not allowed/,
  ],
  [
    "options.listen-port=70000",
    /at '\/options\/listen-port': maximum: got 70,000, want 65,535/,
  ],
  [
    "policies.ownNode=maybe",
    /at '\/policies\/ownNode': got string, want boolean/,
  ],
  ["env.PATH=/tmp", /at '\/env'.*'PATH'/s],
  [
    "podMonitor=true",
    /at '\/podMonitor': got boolean, want object/,
  ],
  [
    "podMonitor.enable=true",
    /at '\/podMonitor': additional properties 'enable' not allowed/,
  ],
  [
    "podMonitor.enabled=true,mode=service",
    /podMonitor\.enabled=true needs mode=pods: there are no pods to monitor/,
  ],
  [
    "podMonitor.enabled=true,options.metrics-bind-address=",
    /podMonitor\.enabled=true needs options\.metrics-bind-address where Prometheus reaches it, and it is empty/,
  ],
];

for (const [set, says] of BAD_VALUES) {
  Deno.test(`the chart refuses ${set} in one sentence`, async () => {
    const { code, stderr } = await runTool("helm", [
      ...["template", "test", CHART, "--set", set],
    ]);
    assert.equal(code, 1);
    assert.match(stderr, says);
  });
}

Deno.test("the chart gives the agents what its values say, and the policy the annotation", async () => {
  const digest = `sha256:${"ab".repeat(32)}`;
  const objects = await chart([
    ...["annotation=example.org/key", "apiServer.host=fd00::1"],
    "cniBinDir=/usr/lib/cni",
    ...["options.listen-port=7839", "options.masquerade=false"],
    "env.OTEL_DENO=true",
    ...[`image.digest=${digest}`, "imagePullSecrets[0].name=secret"],
  ]);
  const { imagePullSecrets, containers: [agent], volumes } = podOf(objects);
  assert.ok(JSON.stringify(volumes).includes('"path":"/usr/lib/cni"'));
  assert.equal(agent.image, `localhost/clusternet@${digest}`);
  assert.deepEqual(imagePullSecrets, [{ name: "secret" }]);
  assert.deepEqual(environmentOf(agent), {
    CLUSTERNET_ANNOTATION: "example.org/key",
    CLUSTERNET_CLUSTER_CIDR: "10.0.0.0/16",
    CLUSTERNET_LISTEN_PORT: "7839",
    CLUSTERNET_MASQUERADE: "false",
    OTEL_DENO: "true",
    CLUSTERNET_PROC_SYS_NET: "/host/proc/sys/net",
    KUBERNETES_SERVICE_HOST: "fd00::1",
    KUBERNETES_SERVICE_PORT: "6443",
  });
  assert.equal(keyOfPolicy(objects), '"example.org/key"');
});

Deno.test("the chart installs in whatever namespace, and the policy knows which", async () => {
  const text = await mustRunTool("helm", [
    ...["template", "test", CHART, "--namespace", "elsewhere"],
  ]);
  assert.match(text, /"system:serviceaccount:elsewhere:clusternet"/);
  assert.doesNotMatch(text, /namespace: clusternet|:clusternet:clusternet/);
});

/**
 * What the pods of the DaemonSet may do and see, field by field, and that the
 * manifests speak of this version and of the program's own defaults.
 *
 * @module
 */

import assert from "node:assert/strict";
import { load } from "js-yaml";
import { OPTIONS, variableName } from "../mod/core/config.ts";
import { VERSION } from "../mod/core/version.ts";

const DEPLOY = new URL("../deploy/", import.meta.url);

// What a manifest holds has as many shapes as there are objects.
// deno-lint-ignore no-explicit-any
function read(path: string): any {
  return load(Deno.readTextFileSync(new URL(path, DEPLOY)));
}

const DAEMON_SET = read("kustomize/base/daemonset.yaml");
const POD = DAEMON_SET.spec.template.spec;
const [AGENT] = POD.containers;

Deno.test("the pods hold CAP_NET_ADMIN and nothing else, and cannot write to their root", () => {
  assert.equal(POD.containers.length, 1);
  assert.equal(POD.initContainers, undefined);
  assert.deepEqual(AGENT.securityContext, {
    runAsUser: 0,
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] },
    seccompProfile: { type: "RuntimeDefault" },
  });
  assert.equal(POD.securityContext, undefined);
  assert.equal(POD.hostNetwork, true);
  assert.equal(POD.hostPID, undefined);
  assert.equal(POD.hostIPC, undefined);
});

Deno.test("the pods see six directories of the node, the plugins read-only", () => {
  const paths = new Map<string, unknown>(
    POD.volumes.filter(({ hostPath }: Volume) => hostPath !== undefined)
      .map(({ name, hostPath }: Volume) => [name, hostPath]),
  );
  assert.deepEqual(
    AGENT.volumeMounts.filter(({ name }: Mount) => paths.has(name)).map(
      ({ name, ...mount }: Mount) => ({ of: paths.get(name), ...mount }),
    ),
    [
      mounted("/var/lib/clusternet"),
      mounted("/etc/cni/net.d"),
      mounted("/run/clusternet-cni"),
      // The lock: one agent for a link, whichever way it runs.
      mounted("/run/clusternet"),
      {
        of: { path: "/proc/sys/net", type: "Directory" },
        mountPath: "/host/proc/sys/net",
      },
      { ...mounted("/opt/cni/bin"), readOnly: true },
    ],
  );
  assert.equal(paths.size, 6);
});

interface Volume {
  readonly name: string;
  readonly hostPath?: unknown;
}

interface Mount {
  readonly name: string;
  readonly mountPath: string;
}

function mounted(path: string): Omit<Mount, "name"> {
  const of = { path, type: "DirectoryOrCreate" };
  return { of, mountPath: path } as Omit<Mount, "name">;
}

Deno.test("the pods' token is theirs for an hour, and lies where the kubelet would put it", () => {
  assert.equal(POD.automountServiceAccountToken, false);
  assert.deepEqual(
    POD.volumes.filter(({ hostPath }: Volume) => hostPath === undefined),
    [{
      name: "credentials",
      projected: {
        sources: [
          { serviceAccountToken: { path: "token", expirationSeconds: 3600 } },
          {
            configMap: {
              name: "kube-root-ca.crt",
              items: [{ key: "ca.crt", path: "ca.crt" }],
            },
          },
          {
            downwardAPI: {
              items: [{
                path: "namespace",
                fieldRef: { fieldPath: "metadata.namespace" },
              }],
            },
          },
        ],
      },
    }],
  );
  assert.deepEqual(AGENT.volumeMounts.at(-1), {
    name: "credentials",
    mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
    readOnly: true,
  });
});

Deno.test("the pods are on every node before all others, and are replaced a tenth at a time", () => {
  const { updateStrategy } = DAEMON_SET.spec;
  assert.deepEqual(updateStrategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxUnavailable: "10%" },
  });
  assert.equal(POD.priorityClassName, "system-node-critical");
  assert.deepEqual(POD.tolerations, [{ operator: "Exists" }]);
  assert.deepEqual(POD.nodeSelector, { "kubernetes.io/os": "linux" });
  assert.equal(POD.terminationGracePeriodSeconds, 5);
  assert.equal(POD.dnsPolicy, "Default");
});

Deno.test("the manifests speak of this version", () => {
  assert.equal(AGENT.image, `localhost/clusternet:${VERSION}`);
  const { version, appVersion } = read("helm/clusternet/Chart.yaml");
  assert.deepEqual([version, appVersion], [VERSION, VERSION]);
});

Deno.test("annotation and cluster CIDR are the program's own defaults", () => {
  const environment = new Map<string, string>(
    AGENT.env.map(({ name, value }: { name: string; value: string }) => [
      name,
      value,
    ]),
  );
  const values = read("helm/clusternet/values.yaml");
  for (const option of OPTIONS) {
    if (option.name === "annotation") {
      assert.equal(environment.get(variableName(option)), option.fallback);
      assert.equal(values.annotation, option.fallback);
    }
    if (option.name === "cluster-cidr") {
      assert.equal(environment.get(variableName(option)), option.fallback);
      assert.deepEqual(values.clusterCIDRs, [option.fallback]);
    }
  }
});

Deno.test("the chart's options are those of clusternet run that a pod leaves open", () => {
  const schema = read("helm/clusternet/values.schema.json");
  const chart = Object.keys(schema.properties.options.properties);
  const fixed = [
    // Values of their own.
    ...["cluster-cidr", "annotation", "server", "cni-bin-dir"],
    // Said by the pod, or by what is mounted in it.
    ...["node-name", "kubeconfig", "private-key-file", "cni-conf-file"],
    ...["proc-sys-net", "config", "once"],
  ];
  assert.deepEqual(
    [...chart, ...fixed].sort(),
    OPTIONS.map(({ name }) => name).sort(),
  );
});

/** "image.tag" and its default, as JSON: an object is a value as a whole where it is empty, or Kubernetes' own. */
function* valuesOf(
  object: Readonly<Record<string, unknown>>,
  above = "",
): Generator<readonly [name: string, fallback: string]> {
  for (const [key, value] of Object.entries(object)) {
    const name = `${above}${key}`;
    const isGroup = typeof value === "object" && value !== null &&
      !Array.isArray(value) && Object.keys(value).length > 0;
    if (name === "resources") yield [name, "_as in `values.yaml`_"];
    else if (!isGroup) yield [name, `\`${JSON.stringify(value)}\``];
    else yield* valuesOf({ ...value }, `${name}.`);
  }
}

Deno.test("the chart's README has each of its values, and the default", () => {
  const text = Deno.readTextFileSync(
    new URL("helm/clusternet/README.md", DEPLOY),
  );
  const [, table = ""] = /<!-- values[^]*?-->([^]*)<!-- \/values -->/.exec(
    text,
  ) ?? [];
  const rows = table.matchAll(/^\| `([\w.]+)` +\| (\S.*?) +\|/gm);
  assert.deepEqual(
    [...rows].map(([, name, fallback]) => [name, fallback]),
    [...valuesOf(read("helm/clusternet/values.yaml"))],
  );
});

Deno.test("the pods are asked on the loopback, where the agent's own default has its health", () => {
  const address = OPTIONS.find(({ name }) => name === "http-address")?.fallback;
  for (
    const [probe, path] of [
      [AGENT.livenessProbe, "/healthz"],
      [AGENT.readinessProbe, "/readyz"],
    ]
  ) {
    const { host, port, path: asked } = probe.httpGet;
    assert.deepEqual([`${host}:${port}`, asked], [address, path]);
  }
  // A loop that hangs is seen after two minutes: three looks more end it.
  const { failureThreshold = 3, periodSeconds } = AGENT.livenessProbe;
  assert.equal(failureThreshold * periodSeconds, 90);
});

/** The one patch of a component, and its resources. */
// deno-lint-ignore no-explicit-any
function component(name: string): any {
  const component = read(`kustomize/components/${name}/kustomization.yaml`);
  const patches = (component.patches ?? []).map(
    ({ patch }: { patch: string }) => load(patch),
  );
  return { ...component, patches };
}

Deno.test("the components for Prometheus name the port on which the agent then serves its metrics", () => {
  const [patch] = component("metrics").patches;
  assert.deepEqual(patch.metadata, {
    name: DAEMON_SET.metadata.name,
    namespace: DAEMON_SET.metadata.namespace,
  });
  const [container] = patch.spec.template.spec.containers;
  assert.equal(container.name, AGENT.name);
  const option = OPTIONS.find(({ name }) => name === "metrics-bind-address");
  assert(option !== undefined);
  const [{ name, value }] = container.env;
  const [port] = container.ports;
  assert.deepEqual([name, value], [
    variableName(option),
    `0.0.0.0:${port.containerPort}`,
  ]);
  // On the node's network no other is possible.
  assert.equal(port.hostPort, port.containerPort);

  const annotations = component("scrape-annotations");
  assert.deepEqual(annotations.components, ["../metrics"]);
  assert.deepEqual(annotations.patches[0].spec.template.metadata.annotations, {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": String(port.containerPort),
    "prometheus.io/path": "/metrics",
  });

  assert.deepEqual(component("pod-monitor").components, ["../metrics"]);
  const { metadata, spec } = read(
    "kustomize/components/pod-monitor/pod_monitor.yaml",
  );
  assert.equal(metadata.namespace, DAEMON_SET.metadata.namespace);
  assert.deepEqual(spec.selector, DAEMON_SET.spec.selector);
  const [endpoint] = spec.podMetricsEndpoints;
  assert.deepEqual([endpoint.port, endpoint.path], [port.name, "/metrics"]);
});

Deno.test("the PodMonitor's job is the one that the alerts are for", () => {
  const { spec } = read("kustomize/components/pod-monitor/pod_monitor.yaml");
  const job = DAEMON_SET.spec.template.metadata.labels[spec.jobLabel];
  const rules = Deno.readTextFileSync(
    new URL("prometheus/clusternet.rules.yaml", DEPLOY),
  );
  const jobs = [...rules.matchAll(/job="([^"]*)"/g)].map(([, name]) => name);
  assert(jobs.length > 0);
  for (const name of jobs) assert.equal(name, job);
});

Deno.test("the component tracing turns Deno's traces on, and names the node by its address", () => {
  const [patch] = component("tracing").patches;
  const [container] = patch.spec.template.spec.containers;
  const [on, host, endpoint] = container.env;
  assert.deepEqual(on, { name: "OTEL_DENO", value: "true" });
  assert.equal(host.valueFrom.fieldRef.fieldPath, "status.hostIP");
  assert.deepEqual(endpoint, {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    value: `http://$(${host.name}):4318`,
  });
});

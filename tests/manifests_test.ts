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

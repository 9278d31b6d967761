/**
 * Services of the tests.
 *
 * @module
 */

import type { Cluster } from "./cluster.ts";

export interface ServiceOptions {
  readonly name: string;
  /** The pods with `app` of that value. */
  readonly app: string;
  /** For HTTP of these pods, and the next one for UDP; the Service itself has 80 and 81. */
  readonly port: number;
  readonly nodePort?: boolean;
  /** `externalTrafficPolicy: Local` */
  readonly local?: boolean;
}

export interface Service {
  readonly name: string;
  /** One for each family of the cluster. */
  readonly clusterIps: readonly string[];
  readonly nodePort: number | undefined;
}

const SERVICES = "/api/v1/namespaces/default/services";

export async function makeService(
  { admin }: Cluster,
  options: ServiceOptions,
): Promise<Service> {
  const { name, app, port, nodePort = false, local = false } = options;
  const { spec } = await admin.create(SERVICES, {
    metadata: { name },
    spec: {
      selector: { app },
      type: nodePort ? "NodePort" : "ClusterIP",
      ipFamilyPolicy: "PreferDualStack",
      ...(local ? { externalTrafficPolicy: "Local" } : {}),
      ports: [
        { name: "http", port: 80, targetPort: port },
        { name: "udp", port: 81, targetPort: port + 1, protocol: "UDP" },
      ],
    },
  });
  return {
    name,
    clusterIps: spec.clusterIPs,
    nodePort: spec.ports[0].nodePort,
  };
}

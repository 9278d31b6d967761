/**
 * The ways in which a cluster can be wrong for an agent: how each is well, how it
 * is broken, what is then to be said, and how it is mended.
 *
 * @module
 */

import { must, run } from "../lab/exec.ts";
import { validityOf } from "../../mod/wire/certificate.ts";
import { expiryOf } from "../../mod/wire/web_token.ts";
import { eventually } from "../lab/harness.ts";
import { type AgentHost, type AgentStart, annotationOf } from "./agent_host.ts";
import {
  expiringCertificate,
  expiringToken,
  TOKEN_LEEWAY_SECONDS,
} from "./expiring.ts";
import type { Hosts } from "./hosts.ts";

export interface BadInput {
  /** Completes "the agent says in one sentence that …". */
  readonly name: string;
  /** All that it takes to be well. */
  well(hosts: Hosts, host: AgentHost): Promise<AgentStart>;
  break(hosts: Hosts, host: AgentHost): Promise<void>;
  readonly says: RegExp;
  mend(hosts: Hosts, host: AgentHost): Promise<void>;
  /** Do pods have no network meanwhile? Then the Node says the same. */
  readonly isOutage?: true;
  /** Events are written, switched off, there is no right to write any, or none about this Node. */
  readonly events?: "told" | "off" | "denied" | "refused";
  /** Is what mends it another podCIDR than before? */
  readonly movesPods?: true;
}

/** RBAC that the agents get by the manifests. */
export const ROLE = "clusternet";

/** By a kubeconfig, as that user. */
export async function byCertificate(
  hosts: Hosts,
  host: AgentHost,
  user = `agent:${host.name}`,
): Promise<AgentStart> {
  if (user.startsWith("agent:")) await hosts.bind(user, ROLE);
  const groups = user.startsWith("system:node:") ? ["system:nodes"] : [];
  const certificate = hosts.plane.credentials.user(user, groups);
  return kubeconfigFlags(hosts.kubeconfig(host, certificate));
}

function kubeconfigFlags(file: string): AgentStart {
  return { flags: ["--kubeconfig", file] };
}

/** The key is published anew, with reading and writing. */
async function takeKeyAway({ admin }: Hosts, host: AgentHost): Promise<void> {
  await admin.patch(`/api/v1/nodes/${host.name}`, {
    metadata: { annotations: { [annotationOf(host.name)]: null } },
  });
}

export const FORBIDDEN: readonly BadInput[] = [
  {
    name:
      "a kubelet's credentials may not list Nodes, and which manifest lets them",
    well: (hosts, host) =>
      byCertificate(hosts, host, `system:node:${host.name}`),
    break: async ({ admin }, host) => {
      await admin.delete(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/clusternet-node-reader",
      );
      host.cut();
    },
    says:
      /^Cannot watch Nodes: 403 Forbidden: nodes is forbidden: User "system:node:n\d+" cannot watch resource "nodes" .*; grant nodes list,watch to the group system:nodes: bind it to the ClusterRole clusternet-node-reader \(kubectl apply -k deploy\/kustomize\/overlays\/host-service\) \(since 20\S+Z\)$/,
    mend: async (hosts) => {
      await hosts.kubectl(
        ...["apply", "-k", "deploy/kustomize/overlays/host-service"],
      );
    },
  },
  {
    name: "it may not patch the status of its Node, and which role lets it",
    well: byCertificate,
    break: async (hosts, host) => {
      await hosts.makeRole("only-reads", { nodes: ["get", "list", "watch"] });
      await hosts.bind(`agent:${host.name}`, "only-reads");
      await takeKeyAway(hosts, host);
    },
    says:
      /^Cannot patch Node n\d+: 403 Forbidden: nodes "n\d+" is forbidden: User "agent:n\d+" cannot patch resource "nodes\/status" .*; grant nodes\/status patch: bind it to the ClusterRole clusternet \(kubectl apply -k deploy\/kustomize\/base\)$/,
    mend: (hosts, host) => hosts.bind(`agent:${host.name}`, ROLE),
    events: "denied",
  },
  {
    name: "it may not read its Node",
    well: byCertificate,
    break: async (hosts, host) => {
      await hosts.makeRole("cannot-get", {
        "nodes": ["list", "watch"],
        "nodes/status": ["patch"],
      });
      await hosts.bind(`agent:${host.name}`, "cannot-get");
      await takeKeyAway(hosts, host);
    },
    says:
      /^Cannot read Node n\d+: 403 Forbidden: .*User "agent:n\d+" cannot get resource "nodes" .*; grant nodes get: bind it to the ClusterRole clusternet /,
    events: "off",
    mend: (hosts, host) => hosts.bind(`agent:${host.name}`, ROLE),
  },
  {
    name: "the kubelet's credentials are those of another Node",
    well: async (hosts, host) => {
      await hosts.bind("system:node:stranger", "clusternet-node-reader");
      return await byCertificate(hosts, host);
    },
    break: async (hosts, host) => {
      const { cert, key } = hosts.plane.credentials.user(
        "system:node:stranger",
        ["system:nodes"],
      );
      Deno.writeTextFileSync(`${host.folder}/client.crt`, cert);
      Deno.writeTextFileSync(`${host.folder}/client.key`, key);
      host.agent.signal("SIGHUP");
      await takeKeyAway(hosts, host);
    },
    says:
      /^Cannot read Node n\d+: 403 Forbidden: .*User "system:node:stranger" cannot get .*; a kubelet's credentials are good for its own Node alone: give --node-name /,
    mend: async (hosts, host) => {
      await byCertificate(hosts, host);
      host.agent.signal("SIGHUP");
    },
    events: "refused",
  },
];

/** Seconds for which credentials that expire are good. */
const GOOD_SECONDS = 30;

/** Where the kubelet puts them, and the namespace and name of its owner. */
const ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount";
const OWNER = { namespace: "clusternet", name: "clusternet" };

async function putToken(
  { admin, plane }: Hosts,
  host: AgentHost,
  seconds: number,
): Promise<void> {
  const { metadata } = await admin.get(
    `/api/v1/namespaces/${OWNER.namespace}/serviceaccounts/${OWNER.name}`,
  );
  const token = await expiringToken(plane.credentials, {
    ...OWNER,
    uid: metadata.uid,
    seconds,
  });
  Deno.writeTextFileSync(`${host.folder}/token`, token);
  await host.space.sh(`cp ${host.folder}/token ${ACCOUNT}/token`);
}

/** @param time milliseconds since 1970; `undefined`: it has none */
function past(time = NaN): Promise<void> {
  const left = time + 1_000 - Date.now();
  if (Number.isNaN(left)) throw new TypeError("Cannot wait: it has no end");
  return new Promise((resolve) => setTimeout(resolve, left));
}

export const CREDENTIALS: readonly BadInput[] = [
  {
    name:
      "its client certificate has expired: which file, when, and who renews it",
    well: async (hosts, host) => {
      const user = `agent:${host.name}`;
      await hosts.bind(user, ROLE);
      const certificate = await expiringCertificate(hosts.plane.credentials, {
        ...{ user, dir: `${host.folder}/ca`, seconds: GOOD_SECONDS },
      });
      return kubeconfigFlags(hosts.kubeconfig(host, certificate));
    },
    break: async (_, host) => {
      const text = Deno.readTextFileSync(`${host.folder}/client.crt`);
      await past(validityOf(text)?.notAfter);
      host.cut();
    },
    says:
      /^Cannot watch Nodes: 401 Unauthorized; the client certificate \/\S+\/client\.crt expired at 20\S+Z: the kubelet renews its own \(rotateCertificates; .*\), kubeadm others \(kubeadm certs renew\) \(since 20\S+Z\)$/,
    mend: async (hosts, host) => {
      await byCertificate(hosts, host);
    },
  },
  {
    name: "a pod's token has expired: which file, when, and who renews it",
    well: async (hosts, host) => {
      await host.space.sh(
        `mkdir -p ${ACCOUNT}; cp ${hosts.plane.credentials.files.ca} ${ACCOUNT}/ca.crt`,
      );
      await putToken(hosts, host, GOOD_SECONDS - TOKEN_LEEWAY_SECONDS);
      const env = {
        KUBERNETES_SERVICE_HOST: hosts.plan.apiAddress,
        KUBERNETES_SERVICE_PORT: String(host.port),
      };
      return { flags: [], env };
    },
    break: async (_, host) => {
      const end = expiryOf(Deno.readTextFileSync(`${host.folder}/token`));
      await past((end ?? NaN) + TOKEN_LEEWAY_SECONDS * 1_000);
      host.cut();
    },
    says:
      /^Cannot watch Nodes: 401 Unauthorized; the token \/var\/run\/secrets\/kubernetes\.io\/serviceaccount\/token expired at 20\S+Z: the kubelet renews those of pods, /,
    mend: (hosts, host) => putToken(hosts, host, 3_600),
  },
  {
    name: "the authority that it trusts is another cluster's: which file",
    well: byCertificate,
    break: async (_, host) => {
      const other = `${host.folder}/other`;
      await Deno.mkdir(other);
      await must([
        ...["openssl", "req", "-x509", "-nodes", "-subj", "/CN=kubernetes"],
        ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        ...["-keyout", `${other}/ca.key`, "-out", `${host.folder}/ca.crt`],
      ]);
      host.agent.signal("SIGHUP");
    },
    says:
      /^Cannot reach the API server https:\/\/\S+ \(server in kubeconfig \/\S+\): its certificate is not signed by the authority that is trusted here, \/\S+\/ca\.crt; put the cluster's there /,
    mend: async (hosts, host) => {
      await byCertificate(hosts, host);
    },
  },
];

/** For clients that ask by this name, the API server has a certificate of its own. */
export const OWN_NAME = "sni.test";
export const OWN_NAME_FILES = "sni";

/** kube-apiserver takes notice of the files. */
export function putServerCertificate(
  folder: string,
  { cert, key }: { readonly cert: string; readonly key: string },
): void {
  // A pair that does not fit is passed over, until it does.
  Deno.writeTextFileSync(`${folder}/${OWN_NAME_FILES}.key`, key);
  Deno.writeTextFileSync(`${folder}/${OWN_NAME_FILES}.crt`, cert);
}

export const AWAY: readonly BadInput[] = [
  {
    name: "the API server's certificate has expired, and who renews it",
    well: async (hosts, host) => {
      host.knows(OWN_NAME);
      await byCertificate(hosts, host);
      return {
        flags: [
          ...["--kubeconfig", `${host.folder}/kubeconfig`],
          ...["--server", `https://${OWN_NAME}:${host.port}`],
        ],
      };
    },
    break: async ({ plane, settings }, host) => {
      const { authority } = plane.credentials;
      const names = [`DNS:${OWN_NAME}`];
      const { cert, key } = authority.issue("/CN=kube-apiserver", names, {
        days: -1,
      });
      putServerCertificate(settings.folder, { cert, key });
      await eventually("the API server shows the new one", async () => {
        const address = `${settings.plan.apiAddress}:${settings.apiPort}`;
        const { stdout } = await run([
          ...["openssl", "s_client", "-connect", address],
          ...["-servername", OWN_NAME],
        ]);
        return stdout.includes("certificate has expired") ? true : undefined;
      }, 90_000);
      host.cut();
    },
    says:
      /^Cannot reach the API server https:\/\/sni\.test:\d+ \(--server\): its certificate has expired \(or this machine's clock is wrong\); renew it \(kube-apiserver --tls-cert-file; kubeadm certs renew apiserver\)/,
    mend: ({ plane, settings }) => {
      const { authority } = plane.credentials;
      putServerCertificate(
        settings.folder,
        authority.issue("/CN=kube-apiserver", [`DNS:${OWN_NAME}`]),
      );
      return Promise.resolve();
    },
  },
  {
    name:
      "nobody listens at the API server's address, what names that, and since when",
    well: byCertificate,
    break: (_, host) => host.unplug(),
    says:
      /^Cannot reach the API server https:\/\/192\.168\.78\.1:\d+ \(server in kubeconfig \/\S+\/kubeconfig\): connection refused \(since 20\S+Z\)$/,
    mend: (_, host) => {
      host.plug();
      return Promise.resolve();
    },
  },
  {
    name: "the API server's name cannot be resolved",
    well: async (hosts, host) => {
      host.knows("kubernetes");
      const { cert, key } = hosts.plane.credentials.user(`agent:${host.name}`);
      await hosts.bind(`agent:${host.name}`, ROLE);
      return kubeconfigFlags(
        hosts.kubeconfig(host, { cert, key }, "kubernetes"),
      );
    },
    break: (_, host) => {
      host.knows();
      host.cut();
      return Promise.resolve();
    },
    says:
      /^Cannot reach the API server https:\/\/kubernetes:\d+ \(.*\): the name kubernetes cannot be resolved; see \/etc\/resolv\.conf and \/etc\/hosts, or give an address instead \(--server\)/,
    mend: (_, host) => {
      host.knows("kubernetes");
      return Promise.resolve();
    },
  },
];

export const POD_CIDRS: readonly BadInput[] = [
  {
    name:
      "its Node has a podCIDR outside of --cluster-cidr, and that both programs need the same",
    well: byCertificate,
    break: (hosts, host) => hosts.registerAnew(host.plan, ["10.9.1.0/24"]),
    says:
      /^Own Node n\d+ has the podCIDR 10\.9\.1\.0\/24, which is not a part of the cluster CIDR 10\.0\.0\.0\/16: give the agent's --cluster-cidr and kube-controller-manager's the same range; a Node keeps its podCIDRs until it is deleted and registered anew$/,
    mend: (hosts, host) => hosts.registerAnew(host.plan),
    isOutage: true,
  },
  {
    name:
      "nobody gives its Node podCIDRs, and with which flags kube-controller-manager does",
    well: byCertificate,
    break: (hosts, host) => hosts.registerAnew(host.plan, []),
    says:
      /^Own Node n\d+ has no podCIDRs: run kube-controller-manager with --allocate-node-cidrs --cluster-cidr=10\.0\.0\.0\/16; if it does, its range is used up \(`kubectl describe node n\d+`: CIDRNotAvailable\)$/,
    mend: async ({ plane }) => {
      await plane.stop("kube-controller-manager");
      Object.assign(CONTROLLER_FLAGS, WITH_IPAM);
      plane.startControllers();
    },
    isOutage: true,
    events: "told",
    movesPods: true,
  },
];

/** Without node IPAM at first. */
export const CONTROLLER_FLAGS: Record<string, string> = {
  "allocate-node-cidrs": "false",
};

const WITH_IPAM = { "allocate-node-cidrs": "true" };

/**
 * What can be configured: one table of options and one schema of their values,
 * shared by flags, environment and file. Every default is in the table, which
 * `--help` and the documentation print.
 *
 * @module
 */

import { z } from "zod";
import { familyOf, type Prefix } from "./address.ts";
import { type Option, optionRows } from "./flags.ts";
import type { LogLevel } from "./log.ts";
import {
  parseAbsolutePath,
  parseAnnotation,
  parseClusterCidrs,
  parseConflistPath,
  parseDirectories,
  parseInterface,
  parseLoopbackAddress,
  parseMtu,
  parseNetworkName,
  parseNodeName,
  parsePort,
  parsePrivateKeyPath,
  parseServer,
  parseSocketAddress,
  parseSwitch,
  type SocketAddress,
} from "./option_values.ts";

export interface Config {
  readonly nodeName: string;
  /** `undefined`: the ServiceAccount of the pod that the agent runs in. */
  readonly kubeconfig: string | undefined;
  /** Overrides the address in the kubeconfig. No slash at the end. */
  readonly server: string | undefined;
  /** At most one of each family. */
  readonly clusterCidrs: readonly Prefix[];
  readonly interface: string;
  readonly listenPort: number;
  readonly privateKeyFile: string;
  /** Key of the annotation with the public key. */
  readonly annotation: string;
  /** "": no CNI configuration is written. */
  readonly cniConfFile: string;
  /** Where container runtimes find the plugins; none: nobody looks. */
  readonly cniBinDirs: readonly string[];
  readonly cniNetworkName: string;
  /** Keep the condition `NetworkUnavailable` of our own Node. */
  readonly nodeCondition: boolean;
  /** Write Events about our own Node. */
  readonly events: boolean;
  /** Do pods reach the outside of the cluster with the node's address? */
  readonly masquerade: boolean;
  /** Bytes that the underlay carries; the link gets less. */
  readonly mtu: number | "auto";
  readonly backend: "auto" | "kernel" | "userspace";
  /** Where the settings of the network are: the kernel's own place, or a mount of it. */
  readonly procSysNet: string;
  /** Where the page, health and metrics are served on this machine; `undefined`: nowhere. */
  readonly httpAddress: SocketAddress | undefined;
  /** Where the metrics are for others, and nothing else is; `undefined`: nowhere. */
  readonly metricsBindAddress: SocketAddress | undefined;
  /** Does each peer have series of its own? auto: in clusters that are not large. */
  readonly metricsPerPeer: boolean | "auto";
  /** Converge, read back, exit. */
  readonly once: boolean;
  readonly logFormat: "text" | "logfmt" | "json";
  readonly logLevel: LogLevel;
}

// deno-fmt-ignore
export const OPTIONS: readonly Option[] = [
  { name: "node-name", metavar: "NAME", fallback: undefined, help: "Name of this machine's Node; else $NODE_NAME, else the host name in lower case." },
  { name: "kubeconfig", metavar: "FILE", fallback: undefined, help: "How to reach the API server; else $KUBECONFIG, else the pod's ServiceAccount." },
  { name: "server", metavar: "URL", fallback: undefined, help: "The API server's address, instead of the one in the kubeconfig." },
  { name: "cluster-cidr", metavar: "CIDR", fallback: "10.0.0.0/16", help: "Range of all pods, one for each family: several flags, or separated by commas.", list: true },
  { name: "interface", metavar: "NAME", fallback: "clusternet", help: "Name of the WireGuard link." },
  { name: "listen-port", metavar: "PORT", fallback: "7838", help: "UDP port of the tunnels, the same on every node." },
  { name: "private-key-file", metavar: "FILE", fallback: "/var/lib/clusternet/private.key", help: "This node's private key; made if it is not there." },
  { name: "annotation", metavar: "KEY", fallback: "clusternet.dev/wg-pubkey", help: "Annotation by which Nodes publish their public keys." },
  { name: "cni-conf-file", metavar: "FILE", fallback: "/etc/cni/net.d/10-clusternet.conflist", help: "CNI configuration to write; empty: none.", mayBeEmpty: true },
  { name: "cni-bin-dir", metavar: "DIR", fallback: "/opt/cni/bin,/usr/lib/cni,/usr/libexec/cni", help: "Where the container runtime finds CNI plugins, to say which are missing: several flags, or separated by commas; empty: do not look.", list: true, mayBeEmpty: true },
  { name: "cni-network-name", metavar: "NAME", fallback: "k8s-pod-network", help: "Name of the network in the CNI configuration." },
  { name: "node-condition", metavar: "", fallback: "true", help: "Keep the condition NetworkUnavailable of this machine's Node; --node-condition=false leaves it alone." },
  { name: "events", metavar: "", fallback: "true", help: "Write Events about this machine's Node: what a person has to see to, and that it is over; --events=false writes none." },
  { name: "masquerade", metavar: "", fallback: "true", help: "Give what pods send to outside the cluster the node's address; --masquerade=false leaves it theirs, which the network then has to route back." },
  { name: "mtu", metavar: "BYTES", fallback: "auto", help: "What the underlay carries; the link gets 60 less, or 80 once an endpoint is IPv6. auto: as the interface with the InternalIP." },
  { name: "backend", metavar: "KIND", fallback: "auto", help: "auto, kernel, or userspace (a running wireguard-go or boringtun, never started or ended by the agent)." },
  { name: "proc-sys-net", metavar: "DIR", fallback: "/proc/sys/net", help: "Settings of the network; in a container, whose own are read-only, a mount of the host's /proc/sys/net." },
  { name: "http-address", metavar: "ADDRESS", fallback: "127.0.0.1:7839", help: "Where the agent shows itself on this machine: /, /metrics, /healthz, /readyz; a loopback address only; empty: nowhere.", mayBeEmpty: true },
  { name: "metrics-bind-address", metavar: "ADDRESS", fallback: "", help: "Where Prometheus reaches /metrics, and nothing else, from outside: 192.0.2.1:7840, or 0.0.0.0:7840; empty: nowhere.", mayBeEmpty: true },
  { name: "metrics-per-peer", metavar: "WHEN", fallback: "auto", help: "Series for each peer: true, false, or auto: up to 200 Nodes." },
  { name: "once", metavar: "", fallback: "false", help: "Converge, read back and exit: 0 if all stands, else 1." },
  { name: "log-format", metavar: "FORMAT", fallback: "text", help: "text for people, logfmt or json for programs." },
  { name: "log-level", metavar: "LEVEL", fallback: "info", help: "debug, info, warn or error." },
  { name: "config", metavar: "FILE", fallback: undefined, help: "YAML file with these options as keys; flags and environment override it.", flagOnly: true },
];

/** Text of each option to its value; the issues' messages complete "Cannot use --flag VALUE: …". */
export const SCHEMA = z.object({
  nodeName: from(parseNodeName),
  kubeconfig: from(notEmpty).optional(),
  server: from(parseServer).optional(),
  clusterCidrs: from(parseClusterCidrs),
  interface: from(parseInterface),
  listenPort: from(parsePort),
  privateKeyFile: from(parsePrivateKeyPath),
  annotation: from(parseAnnotation),
  cniConfFile: from(parseConflistPath),
  cniBinDirs: from(parseDirectories),
  cniNetworkName: from(parseNetworkName),
  nodeCondition: from(parseSwitch),
  events: from(parseSwitch),
  masquerade: from(parseSwitch),
  mtu: from(parseMtu),
  backend: oneOf(["auto", "kernel", "userspace"]),
  procSysNet: from(parseAbsolutePath),
  httpAddress: from(parseLoopbackAddress),
  metricsBindAddress: from(parseSocketAddress),
  metricsPerPeer: from((text) => text === "auto" ? text : parseSwitch(text)),
  once: from(parseSwitch),
  logFormat: oneOf(["text", "logfmt", "json"]),
  logLevel: oneOf(["debug", "info", "warn", "error"]),
}).superRefine(({ clusterCidrs, mtu }, context) => {
  // The link must carry 1280 bytes (RFC 8200, section 5) beneath 80 of the tunnel.
  const ipv6 = clusterCidrs.some((cidr) => familyOf(cidr) === 6);
  if (!ipv6 || mtu === "auto" || mtu >= 1360) return;
  context.addIssue({
    code: "custom",
    path: ["mtu"],
    message: "with an IPv6 cluster CIDR the underlay has to carry 1360 bytes",
  });
});

/** Key in `Config` of an option: "listen-port" → "listenPort". */
export function configKey(option: Option): string {
  if (option.name === "cluster-cidr") return "clusterCidrs";
  if (option.name === "cni-bin-dir") return "cniBinDirs";
  return option.name.replaceAll(
    /-([a-z])/g,
    (_, letter: string) => letter.toUpperCase(),
  );
}

/** "listen-port" → "CLUSTERNET_LISTEN_PORT". */
export function variableName(option: Option): string {
  return `CLUSTERNET_${option.name.toUpperCase().replaceAll("-", "_")}`;
}

/** What `clusternet run --help` prints. */
export function helpText(): string {
  return [
    "clusternet run: connect this node's pods with those of every other Node.",
    "",
    "Usage: clusternet run [FLAGS]",
    "",
    ...optionRows(OPTIONS),
    "",
    "Each flag can also be given as a variable (CLUSTERNET_LISTEN_PORT=7838) or as a key",
    "of the file (listen-port: 7838). A flag wins over a variable, that over the file.",
    "OTEL_DENO=true and OTEL_EXPORTER_OTLP_ENDPOINT=URL send traces of what it does.",
    "",
  ].join("\n");
}

/** As `parse` takes it, with its sentence where it does not. */
export function from<T>(parse: (text: string) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });
}

function oneOf<const T extends string>(
  choices: readonly [T, ...T[]],
): z.ZodType<T, string> {
  return from((text) => {
    const choice = choices.find((one) => one === text);
    if (choice !== undefined) return choice;
    throw new SyntaxError(`write one of ${choices.join(", ")}`);
  });
}

function notEmpty(text: string): string {
  if (text !== "") return text;
  throw new SyntaxError("give the path of a file");
}

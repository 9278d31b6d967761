/**
 * One function for each kind of value that an option may have: text in, value
 * out. Each throws a `SyntaxError` whose message completes the sentence
 * "Cannot use --flag VALUE: …" and says what to write instead.
 *
 * @module
 */

import {
  familyOf,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "./address.ts";
import { specialUse } from "./ranges.ts";
import { STATE_FILE_NAME } from "./state_record.ts";

/** RFC 1123, section 2.1, as Kubernetes checks names (apimachinery, IsDNS1123Subdomain). */
const SUBDOMAIN =
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** apimachinery, IsQualifiedName: the part behind the slash. */
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

/** A cluster CIDR shorter than this swallows other people's networks; longer than `narrow` it holds no two Nodes. */
const CLUSTER_BITS = {
  4: { wide: 8, narrow: 30 },
  6: { wide: 16, narrow: 126 },
} as const;

export function isSubdomain(text: string): boolean {
  return text.length <= 253 && SUBDOMAIN.test(text);
}

export function parseNodeName(text: string): string {
  if (isSubdomain(text)) return text;
  throw new SyntaxError(
    "a Node's name is made of lower-case letters, digits, '-' and '.' " +
      "(RFC 1123); give the name that `kubectl get nodes` shows",
  );
}

/** net/core/dev.c, dev_valid_name, less what a person could not see or sysctl takes for itself. */
export function parseInterface(text: string): string {
  if (!/^[!-~]{1,15}$/.test(text) || /[/:%]/.test(text)) {
    throw new SyntaxError(
      "a link's name has 1 to 15 visible characters, none of them '/', ':' or '%'",
    );
  }
  if ([".", "..", "all", "default", "lo"].includes(text)) {
    throw new SyntaxError("the kernel means something else by this name");
  }
  return text;
}

export function parsePort(text: string): number {
  const port = wholeNumber(text);
  if (port !== undefined && port >= 1 && port <= 65535) return port;
  throw new SyntaxError("a port is a number from 1 to 65535");
}

/** As `Deno.listen()` takes it. */
export interface SocketAddress {
  readonly hostname: string;
  readonly port: number;
  /** As it was given, for people. */
  readonly text: string;
}

/** An address and a port; "": nowhere. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  if (text === "") return undefined;
  const [, six, four, digits = ""] =
    /^(?:\[([^\]]+)\]|([^:]+)):([0-9]+)$/.exec(text) ?? [];
  const port = wholeNumber(digits);
  try {
    const hostname = parseAddress(six ?? four ?? "");
    const fits = familyOf(hostname) === (six === undefined ? 4 : 6);
    if (fits && port !== undefined && port >= 1 && port <= 65535) {
      return { hostname, port, text };
    }
  } catch { /* said below */ }
  throw new SyntaxError(
    "write an address and a port, like 127.0.0.1:7839 or [::1]:7839",
  );
}

/** One that nobody else reaches. */
export function parseLoopbackAddress(text: string): SocketAddress | undefined {
  const address = parseSocketAddress(text);
  if (address === undefined || isLoopback(address.hostname)) return address;
  throw new SyntaxError(
    "this shows more than others should see: write a loopback address, like " +
      "127.0.0.1:7839, and reach it by `kubectl port-forward`",
  );
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^127\./.test(address);
}

/**
 * The MTU of the underlay. 576 is what every IPv4 host must take (RFC 791);
 * with IPv6 pods `config.ts` asks for more.
 */
export function parseMtu(text: string): number | "auto" {
  if (text === "auto") return text;
  const mtu = wholeNumber(text);
  if (mtu !== undefined && mtu >= 576 && mtu <= 65535) return mtu;
  throw new SyntaxError('an MTU is "auto" or a number from 576 to 65535');
}

/** As Kubernetes validates annotation keys (apimachinery, ValidateAnnotations: case does not count). */
export function parseAnnotation(text: string): string {
  const parts = text.split("/");
  const name = parts.pop() ?? "";
  const prefix = parts.join("/").toLowerCase();
  const good = parts.length < 2 && name.length <= 63 &&
    QUALIFIED_NAME.test(name) && (parts.length === 0 || isSubdomain(prefix));
  if (good) return text;
  throw new SyntaxError(
    "an annotation's key is PREFIX/NAME, like clusternet.dev/wg-pubkey: a DNS " +
      "name, then at most 63 letters, digits, '-', '_' or '.'",
  );
}

export function parseAbsolutePath(text: string): string {
  const parts = text.split("/").slice(1);
  const good = text.startsWith("/") && !text.includes("\0") &&
    parts.every((part) => part !== "" && part !== "." && part !== "..");
  if (good) return text;
  throw new SyntaxError(
    "give the whole path from /, without '.', '..' or '//' in it",
  );
}

/** The state file stands beside the key, and must not take its place. */
export function parsePrivateKeyPath(text: string): string {
  const path = parseAbsolutePath(text);
  if (!path.endsWith(`/${STATE_FILE_NAME}`)) return path;
  throw new SyntaxError(
    `choose another name: the agent keeps its state file in ${STATE_FILE_NAME} beside the key`,
  );
}

/** "" is off. libcni loads lists only from files that end so (libcni, ConfFiles). */
export function parseConflistPath(text: string): string {
  if (text === "") return text;
  const path = parseAbsolutePath(text);
  if (path.endsWith(".conflist")) return path;
  throw new SyntaxError(
    "container runtimes read a list of plugins only from a file that ends in .conflist",
  );
}

/** "" is none. */
export function parseDirectories(text: string): readonly string[] {
  if (text === "") return [];
  return [...new Set(text.split(",").map((each) => parseAbsolutePath(each)))];
}

/** CNI specification 1.0, section 1: the name of a network; it becomes a directory of host-local's. */
export function parseNetworkName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/.test(text)) return text;
  throw new SyntaxError(
    "a CNI network's name is made of letters, digits, '_', '.' and '-' and " +
      "begins with a letter or digit",
  );
}

export function parseServer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const good = url !== undefined && url.username === "" &&
    url.password === "" && url.search === "" && url.hash === "" &&
    ["https:", "http:"].includes(url.protocol);
  if (good) return url.href.replace(/\/+$/, "");
  throw new SyntaxError("give a URL like https://192.0.2.1:6443");
}

export function parseSwitch(text: string): boolean {
  if (text === "true" || text === "") return true;
  if (text === "false") return false;
  throw new SyntaxError("write true or false");
}

/** At most one of each family, in the order given. */
export function parseClusterCidrs(text: string): readonly Prefix[] {
  const prefixes = text.split(",").map((part) => parseClusterCidr(part.trim()));
  for (const [at, prefix] of prefixes.entries()) {
    const other = prefixes.slice(0, at).find((earlier) =>
      familyOf(earlier) === familyOf(prefix)
    );
    if (other === undefined) continue;
    const why = overlaps(other, prefix)
      ? "overlap"
      : `are both IPv${familyOf(prefix)}`;
    throw new SyntaxError(
      `${other} and ${prefix} ${why}; give at most one for each family`,
    );
  }
  return prefixes;
}

function parseClusterCidr(text: string): Prefix {
  const prefix = parsePrefixOr(text);
  const address = parseAddress(text.slice(0, text.indexOf("/")));
  if (address !== prefixAddress(prefix)) {
    throw new SyntaxError(`${text} has host bits; write ${prefix}`);
  }
  const { wide, narrow } = CLUSTER_BITS[familyOf(prefix)];
  const use = specialUse(prefix);
  if (prefixBits(prefix) < wide) {
    throw new SyntaxError(`${prefix} is too wide; /${wide} is the widest`);
  }
  if (prefixBits(prefix) > narrow) {
    throw new SyntaxError(
      `${prefix} is too narrow for two Nodes' podCIDRs; /${narrow} is the narrowest`,
    );
  }
  if (use !== undefined) {
    throw new SyntaxError(`${prefix} is or holds ${use} addresses`);
  }
  return prefix;
}

/** The sentence of `parsePrefix()` without its opening: the caller has one. */
function parsePrefixOr(text: string): Prefix {
  try {
    return parsePrefix(text);
  } catch (cause) {
    throw new SyntaxError(
      `${JSON.stringify(text)} is no prefix; write one like 10.0.0.0/16`,
      { cause },
    );
  }
}

function wholeNumber(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : undefined;
}

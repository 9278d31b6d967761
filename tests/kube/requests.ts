/**
 * Asking agnhost's `netexec`, wherever it runs, from a pod, a node or a host
 * outside: who the caller is for it, and whether all comes through that is sent.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { RunResult } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { familyOf } from "../lab/plan.ts";
import { urlHost } from "./control_plane.ts";
import type { RunningPod } from "./pods.ts";

/** Where a request begins: a pod, or a space (a node's, or the underlay's: a host outside). */
export interface Place {
  readonly name: string;
  run(command: readonly string[]): Promise<RunResult>;
}

/** Of netexec, where nothing else is said. */
export const HTTP_PORT = 8080;
export const UDP_PORT = 8081;

export interface AskOptions {
  readonly port?: number;
  /** Default `/clientip`. */
  readonly path?: string;
  /** More arguments for curl. */
  readonly more?: readonly string[];
  readonly scheme?: "http" | "https";
  readonly withinSeconds?: number;
}

/** The body of the answer. @throws {Error} where there is none, or one of failure */
export async function ask(
  from: Place,
  address: string,
  options: AskOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await from.run(curl(address, options));
  if (code === 0) return stdout;
  throw new Error(`Cannot ask ${address} from ${from.name}: ${stderr.trim()}`);
}

/** Exit codes of curl: nobody is there, or nothing came back. */
const NO_CONNECTION = 7;
const NO_TIME_LEFT = 28;

/** The caller's address as the server sees it. `undefined`: no connection. */
export async function seenAs(
  from: Place,
  address: string,
  options: AskOptions = {},
): Promise<string | undefined> {
  const { code, stdout, stderr } = await from.run(curl(address, options));
  if (code === NO_CONNECTION || code === NO_TIME_LEFT) return undefined;
  assert.equal(code, 0, `${from.name} to ${address}: ${stderr}`);
  return stdout.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

function curl(address: string, options: AskOptions): readonly string[] {
  const { port = HTTP_PORT, path = "/clientip", scheme = "http" } = options;
  const { withinSeconds = 10, more = [] } = options;
  return [
    ...["curl", "--silent", "--show-error", "--fail", "--globoff"],
    ...["--noproxy", "*", "--max-time", String(withinSeconds), ...more],
    `${scheme}://${urlHost(address)}:${port}${path}`,
  ];
}

/** Bytes: more than one packet, and more than any buffer on the way. */
const SIZES = [2_000, 1_000_000];

/** Of `echo`, in one datagram: netexec reads no more than 2,048. */
const DATAGRAM = 2_000;

/** ICMP, UDP and TCP reach that netexec, and what is larger than a packet comes back whole. */
export async function carriesAll(
  from: Place,
  address: string,
  options: { readonly mtu: number; readonly port?: number },
): Promise<void> {
  const { mtu, port = HTTP_PORT } = options;
  const header = familyOf(address) === 4 ? 28 : 48;
  const full = ["-M", "do", "-s", String(mtu - header)];
  await mustPing(from, address);
  await mustPing(from, address, ["-c", "2", "-s", String(DATAGRAM)]);
  await mustPing(from, address, ["-c", "2", ...full]);
  await carriesBodies(from, address, port);
}

/** The same without ICMP; UDP on the next port. */
export async function carriesBodies(
  from: Place,
  address: string,
  port: number,
): Promise<void> {
  const scripts = [
    ...SIZES.map((size) => [size, httpEcho(address, { port, size })] as const),
    [DATAGRAM - ECHO.length, udpEcho(address, port + 1)] as const,
  ];
  for (const [size, script] of scripts) {
    const { stdout, stderr } = await from.run(["bash", "-c", script]);
    const what = `${size} bytes from ${from.name} to ${address}:${port}`;
    assert.equal(Number(stdout), size, `${what}: ${stderr}`);
  }
}

export async function mustPing(
  from: Place,
  address: string,
  flags: readonly string[] = ["-c", "2"],
): Promise<void> {
  const { code, stdout, stderr } = await from.run([
    ...["ping", "-n", "-i", "0.2", "-W", "5", ...flags, address],
  ]);
  assert.equal(code, 0, `${from.name} to ${address}: ${stdout}${stderr}`);
}

/** The body goes there and comes back. */
function httpEcho(
  address: string,
  { port, size }: { readonly port: number; readonly size: number },
): string {
  const url = `http://${urlHost(address)}:${port}/echo`;
  return `head -c ${size} /dev/zero | tr '\\0' x |
curl --silent --show-error --globoff --noproxy '*' --max-time 30 --data-urlencode msg@- '${url}' |
tr -dc x | wc -c`;
}

const ECHO = "echo ";

/** Said again where nothing comes back: a full queue may drop a datagram, and nobody else would. */
function udpEcho(address: string, port: number): string {
  return `exec 3<>/dev/udp/${address}/${port}
for attempt in 1 2 3; do
  { printf '${ECHO}'; head -c ${
    DATAGRAM - ECHO.length
  } /dev/zero | tr '\\0' x; } |
    dd bs=${DATAGRAM} iflag=fullblock status=none >&3
  bytes=$(timeout 3 dd bs=4096 count=1 status=none <&3 | tr -dc x | wc -c)
  [ "$bytes" -eq 0 ] || break
done
echo "$bytes"`;
}

/**
 * Until netexec in that pod answers its own node, by each of its addresses. The
 * kernel looks for duplicates of the gateway's IPv6 address on each new veth,
 * for a second or two.
 */
export async function answersItsNode(pod: RunningPod): Promise<void> {
  for (const address of pod.addresses) {
    await eventually(`${pod.name} answers at ${address}`, async () => {
      const ping = ["ping", "-n", "-q", "-c", "1", "-W", "1"];
      const { code } = await pod.run([...ping, gatewayOf(address)]);
      return code === 0 && await seenAs(pod.node.space, address)
        ? true
        : undefined;
    }, 30_000);
  }
}

/** Of that pod's node: "10.0.1.5" → "10.0.1.1", "fd00:10:0:1::5" → "fd00:10:0:1::1". */
export function gatewayOf(podAddress: string): string {
  return familyOf(podAddress) === 4
    ? podAddress.replace(/\.\d+$/, ".1")
    : podAddress.replace(/::[0-9a-f]+$/, "::1");
}

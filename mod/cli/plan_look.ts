/**
 * Where a plan's snapshot comes from: a file, the agent that runs here, or an
 * own look at Nodes and kernel. None of them changes a thing.
 *
 * @module
 */

import { takeSnapshot } from "../agent/snapshot.ts";
import type { Environment } from "../core/arguments.ts";
import { type Config, OPTIONS, variableName } from "../core/config.ts";
import { parseEnvFile } from "../core/env_file.ts";
import { ERRNO, errorText, FatalError, KernelError } from "../core/errors.ts";
import { derivePublicKey } from "../core/key.ts";
import type { NodeRecord } from "../core/node.ts";
import { parseSnapshot, type Snapshot } from "../core/snapshot.ts";
import { askAgent, hasAgent } from "../sys/agent_socket.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { ConflistFile } from "../sys/conflist_file.ts";
import { systemReason } from "../sys/directory.ts";
import { readPrivateKey } from "../sys/key_file.ts";
import type { KubeAccess } from "../sys/kube_access.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { KubeClient } from "../sys/kube_client.ts";
import { ApiError, NetworkError } from "../sys/kube_error.ts";
import { Nftables } from "../sys/nftables.ts";
import { listInPages } from "../sys/node_pages.ts";
import { Rtnetlink } from "../sys/rtnetlink.ts";
import { checkStateFile, stateFileOf } from "../sys/state_file.ts";
import { ProcSysctl } from "../sys/sysctl.ts";
import { ENV_FILE } from "./install_files.ts";
import type { PlanArguments } from "./plan_options.ts";
import {
  chooseWireGuard,
  openShim,
  readConfig,
  refuseCutOff,
} from "./setup.ts";

/** Milliseconds for the list of Nodes. */
const LIST_MS = 30_000;

export type LookOptions = Pick<
  PlanArguments,
  "config" | "link" | "snapshot" | "source"
>;

/** @throws {FatalError} one sentence: what, where, what to do */
export async function lookAt(options: LookOptions): Promise<Snapshot> {
  const { snapshot, source } = options;
  if (snapshot !== undefined) return await readSnapshot(snapshot);
  const config = await agentConfig(options.config);
  const link = config.interface;
  const asked = options.config.filter((flag) =>
    !flag.startsWith("--interface=")
  );
  const fromAgent = source === "agent" ||
    source === "auto" && asked.length === 0 && await hasAgent(link);
  if (!fromAgent) return await ownLook(config);
  const text = await askAgent({ link, path: "/v1/snapshot" });
  return parsed(text, "Cannot read what the agent answers");
}

/**
 * The configuration that the agent of this machine would have.
 *
 * @throws {FatalError} of exit code 2
 */
export async function agentConfig(args: readonly string[]): Promise<Config> {
  return await readConfig(args, await environment());
}

/** The shell's variables, before those of the service. */
async function environment(): Promise<Environment> {
  const own = Deno.env.toObject();
  const names = OPTIONS.map(variableName);
  if (names.some((name) => own[name] !== undefined)) return own;
  try {
    const text = await Deno.readTextFile(ENV_FILE);
    return { ...Object.fromEntries(parseEnvFile(text)), ...own };
  } catch {
    return own; // there is no service here, or it is not ours to know
  }
}

async function readSnapshot(path: string): Promise<Snapshot> {
  const name = path === "-" ? "standard input" : path;
  const opening = `Cannot use the snapshot ${name}`;
  let text: string;
  try {
    text = path === "-"
      ? await new Response(Deno.stdin.readable).text()
      : await Deno.readTextFile(path);
  } catch (cause) {
    const sentence = `${opening}: ${systemReason(cause)}`;
    throw new FatalError(sentence, 1, { cause });
  }
  return parsed(text, opening);
}

function parsed(text: string, opening: string): Snapshot {
  try {
    return parseSnapshot(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new FatalError(`${opening}: ${cause.message}`, 1, { cause });
  }
}

async function ownLook(config: Config): Promise<Snapshot> {
  try {
    return await lookUnguarded(config);
  } catch (cause) {
    if (!(cause instanceof KernelError)) throw cause;
    const denied = [ERRNO.EPERM, ERRNO.EACCES].some((one) =>
      one === cause.errno
    );
    const cure = denied
      ? "; run as root, or with --snapshot what somebody has saved who may"
      : "";
    throw new FatalError(
      `Cannot look at this machine's network: ${errorText(cause)}${cure}`,
      1,
      { cause },
    );
  }
}

async function lookUnguarded(config: Config): Promise<Snapshot> {
  const { kubeconfig, privateKeyFile, procSysNet, server } = config;
  const shim = await openShim();
  checkStateFile(stateFileOf(privateKeyFile), shim);
  const routes = new Rtnetlink(shim);
  const wireGuard = await chooseWireGuard(config, shim, routes);
  const key = readPrivateKey(privateKeyFile, shim);
  const access = await openKubeAccess({ kubeconfig, server, clock });
  await refuseCutOff(config, access, routes);
  return await takeSnapshot({
    config,
    publicKey: key === undefined ? null : await derivePublicKey(key),
    world: {
      wireGuard,
      routes,
      sysctl: new ProcSysctl(shim, procSysNet),
      tables: new Nftables(shim),
      conflist: new ConflistFile({ shim }),
    },
    nodes: await listNodes(access, config),
    listed: true,
    running: false,
    wallClock: Date.now,
  });
}

async function listNodes(
  access: KubeAccess,
  { annotation, nodeName }: Config,
): Promise<readonly NodeRecord[]> {
  const client = new KubeClient(access, {
    clock,
    annotation,
    ownNode: nodeName,
  });
  try {
    const signal = AbortSignal.timeout(LIST_MS);
    const list = await listInPages(client, { signal, spend: () => {} });
    return list.nodes;
  } catch (cause) {
    if (cause instanceof ApiError || cause instanceof NetworkError) {
      throw new FatalError(errorText(cause), 1, { cause });
    }
    if (cause instanceof DOMException && cause.name === "TimeoutError") {
      throw new FatalError(
        `Cannot list Nodes: ${client.server} has not answered within ${
          LIST_MS / 1_000
        } s`,
        1,
        { cause },
      );
    }
    throw cause;
  } finally {
    client.close();
  }
}

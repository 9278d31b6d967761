/**
 * All that `clusternet run` checks and opens before its first write: the
 * configuration, the state that lies there, the way to the API server, the lock,
 * the host, the kind of WireGuard, and only then the key.
 *
 * @module
 */

import type { World } from "../agent/observe.ts";
import { type Address, parseAddress } from "../core/address.ts";
import {
  configFile,
  type Environment,
  parseArguments,
} from "../core/arguments.ts";
import type { Config } from "../core/config.ts";
import { ERRNO, errorText, FatalError, KernelError } from "../core/errors.ts";
import {
  derivePublicKey,
  type PrivateKey,
  type PublicKey,
} from "../core/key.ts";
import type { Log } from "../core/log.ts";
import { foreignLink, preflight } from "../core/preflight.ts";
import { fatalOf } from "../core/problem.ts";
import { ROUTE_PROTOCOL } from "../core/state.ts";
import { parseResolvers } from "../core/resolv_conf.ts";
import { systemClock } from "../sys/clock.ts";
import { CniDirectories } from "../sys/cni_directories.ts";
import { ConflistFile } from "../sys/conflist_file.ts";
import { loadOrCreatePrivateKey } from "../sys/key_file.ts";
import { type KubeAccess, SERVICE_HOST } from "../sys/kube_access.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { lockLink } from "../sys/lock.ts";
import { Nftables } from "../sys/nftables.ts";
import { Rtnetlink } from "../sys/rtnetlink.ts";
import { loadShim, type Shim } from "../sys/shim.ts";
import {
  checkStateFile,
  stateFileOf,
  writeStateFile,
} from "../sys/state_file.ts";
import { ProcSysctl } from "../sys/sysctl.ts";
import { KernelWireGuard } from "../sys/wireguard_kernel.ts";
import { UserspaceWireGuard } from "../sys/wireguard_userspace.ts";
import { readYaml } from "../sys/yaml_file.ts";

export interface Setup extends Disposable {
  readonly config: Config;
  readonly access: KubeAccess;
  readonly shim: Shim;
  readonly world: World;
  readonly privateKey: PrivateKey;
  readonly publicKey: PublicKey;
  /** Was it made by this start? Then no other node has ever spoken to it. */
  readonly newKey: boolean;
}

/**
 * @param env instead of this process's
 * @throws {FatalError} of exit code 2
 */
export async function readConfig(
  args: readonly string[],
  env: Environment = Deno.env.toObject(),
): Promise<Config> {
  const path = configFile(args, env);
  const hostName = Deno.hostname();
  if (path === undefined) return parseArguments(args, env, { hostName }).config;
  let content: unknown;
  try {
    content = await readYaml(path, "the configuration");
  } catch (cause) {
    throw new FatalError(errorText(cause), 2, { cause });
  }
  const file = { path, content };
  return parseArguments(args, env, { hostName, file }).config;
}

/**
 * Everything up to the key. What is opened is closed again when a check fails.
 *
 * @throws {FatalError} one sentence: what, where, what to do
 */
export async function setUp(config: Config, log: Log): Promise<Setup> {
  using stack = new DisposableStack();
  const shim = await openShim();
  const stateFile = stateFileOf(config.privateKeyFile);
  checkStateFile(stateFile, shim);
  const access = await openKubeAccess({
    kubeconfig: config.kubeconfig,
    server: config.server,
    clock: systemClock,
  });
  const routes = new Rtnetlink(shim);
  const sysctl = new ProcSysctl(shim, config.procSysNet);
  sysctl.refuseWithout();
  await refuseCutOff(config, access, routes);
  await refuseWithoutRights(config, routes);
  const wireGuard = await chooseWireGuard(config, shim, routes);
  log.info(
    `WireGuard is the ${
      wireGuard.kind === "kernel" ? "kernel's" : "userspace program's"
    }`,
    { event: "wireguard-chosen" },
  );
  stack.use(lockLink(config.interface, { shim }));
  const { key, created } = await loadOrCreatePrivateKey(
    config.privateKeyFile,
    shim,
  );
  const publicKey = await derivePublicKey(key);
  const did = created ? "Made a private key in" : "Read the private key from";
  log.info(`${did} ${config.privateKeyFile}`, {
    event: "key-ready",
    key: publicKey,
  });
  const unwritten = await writeStateFile(stateFile, shim);
  if (unwritten !== undefined) {
    log.warn(unwritten, { event: "state-unwritten" });
  }
  const world: World = {
    wireGuard,
    routes,
    sysctl,
    tables: new Nftables(shim),
    conflist: new ConflistFile({ shim }),
    // Kubelets tell every pod, and nobody else.
    cni: new CniDirectories({ inPod: Deno.env.has(SERVICE_HOST) }),
  };
  const open = stack.move();
  return {
    config,
    access,
    shim,
    world,
    privateKey: key,
    publicKey,
    newKey: created,
    [Symbol.dispose]: () => open.dispose(),
  };
}

export async function openShim(): Promise<Shim> {
  try {
    return await loadShim();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new FatalError(text, 1, { cause });
  }
}

/** A cluster CIDR that holds what the machine needs outside the tunnel (I21). */
export async function refuseCutOff(
  config: Config,
  access: KubeAccess,
  routes: Rtnetlink,
): Promise<void> {
  const [problem] = preflight(config.clusterCidrs, {
    internalIps: [],
    host: await routes.hostFacts(config.interface),
    resolvers: parseResolvers(await readIfThere("/etc/resolv.conf")),
    apiServers: await addressesOf(new URL(access.server).hostname),
  });
  if (problem !== undefined) throw fatalOf(problem);
}

/** The kernel asks for CAP_NET_ADMIN before it looks for the route, which is not there. */
async function refuseWithoutRights(
  config: Config,
  routes: Rtnetlink,
): Promise<void> {
  const [destination] = config.clusterCidrs;
  if (destination === undefined) return;
  try {
    await routes.removeRoute({
      destination,
      type: "unreachable",
      device: undefined,
      source: undefined,
      metric: 1, // ours has the worst one
      protocol: ROUTE_PROTOCOL,
    });
  } catch (cause) {
    if (!(cause instanceof KernelError) || cause.errno !== ERRNO.EPERM) return;
    throw new FatalError(
      "Cannot change links and routes: Operation not permitted; run as root, or with CAP_NET_ADMIN",
      1,
      { cause, reason: "NotPermitted" },
    );
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return ""; // no name servers are named: then none is cut off
  }
}

/** Milliseconds: a start does not wait for name servers that are away. */
const LOOKUP_MS = 5_000;

/** None where the name cannot be looked up now: the tunnel is not what keeps it away. */
async function addressesOf(host: string): Promise<readonly Address[]> {
  const plain = host.replace(/^\[|\]$/g, "");
  try {
    return [parseAddress(plain)];
  } catch { /* a name */ }
  try {
    const { lookup } = await import("node:dns/promises");
    const over = new AbortController();
    const found = await Promise.race([
      lookup(plain, { all: true }),
      systemClock.sleep(LOOKUP_MS, over.signal).then(() => []),
    ]);
    over.abort();
    return found.map(({ address }) => parseAddress(address));
  } catch {
    return [];
  }
}

/** Looks, and starts nothing. */
export async function chooseWireGuard(
  config: Config,
  shim: Shim,
  routes: Rtnetlink,
): Promise<World["wireGuard"]> {
  const name = config.interface;
  const link = await routes.link(name);
  const kernel = new KernelWireGuard(shim);
  const userspace = new UserspaceWireGuard();
  const hasKernel = config.backend !== "userspace" && await kernel.available();
  const chosen = config.backend === "userspace" ||
      (config.backend === "auto" && (link?.kind === "tun" || !hasKernel))
    ? userspace
    : kernel;
  const kind = chosen.kind === "kernel" ? "wireguard" : "tun";
  const foreign = foreignLink(name, link, kind);
  if (foreign !== undefined) throw fatalOf(foreign);
  if (chosen.kind === "kernel" && !hasKernel) {
    throw new FatalError(
      "This kernel has no WireGuard: install its module (`modprobe wireguard` " +
        `says what is amiss), or start a userspace one that outlives the agent (\`wireguard-go ${name}\`) and take --backend userspace`,
      1,
      { reason: "NoWireGuard" },
    );
  }
  if (chosen.kind === "userspace") {
    await refuseWithoutProgram(config, { userspace, hasKernel });
  }
  return chosen;
}

async function refuseWithoutProgram(
  config: Config,
  { userspace, hasKernel }: {
    readonly userspace: UserspaceWireGuard;
    readonly hasKernel: boolean;
  },
): Promise<void> {
  try {
    await userspace.read(config.interface);
  } catch (cause) {
    if (hasKernel) {
      throw new FatalError(
        `Link ${config.interface} is a tun device whose userspace WireGuard is gone: start that again, or leave the work to the kernel's (ip link del ${config.interface}): ` +
          errorText(cause),
        1,
        { cause, reason: "NoUserspaceWireGuard" },
      );
    }
    if (config.backend !== "auto") {
      throw new FatalError(errorText(cause), 1, { cause });
    }
    throw new FatalError(
      "This kernel has no WireGuard (`modprobe wireguard` on the node says what is amiss), and there is no userspace one: " +
        errorText(cause),
      1,
      { cause, reason: "NoWireGuard" },
    );
  }
}

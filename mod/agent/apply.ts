/**
 * Carries out a plan, step by step. A step that fails costs itself and what
 * depends on it, not the rest; neighbouring changes of peers go in one message.
 *
 * @module
 */

import { ERRNO, KernelError } from "../core/errors.ts";
import type { PrivateKey } from "../core/key.ts";
import type { Log, LogSaid } from "../core/log.ts";
import {
  type Problem,
  problemOf,
  type ProblemReason,
  REASON_DOWN,
} from "../core/problem.ts";
import type { PeerChange, Step } from "../core/state.ts";
import { counted, Progress } from "../core/progress.ts";
import { stepText } from "../core/step_text.ts";
import type { World } from "./observe.ts";
import type { Clock } from "./ports.ts";

export interface ApplyOptions {
  readonly privateKey: PrivateKey;
  readonly log: Log;
  readonly clock: Clock;
  /** Leave the CNI configuration for a later turn. */
  readonly holdConflist: boolean;
}

export interface Applied {
  /** Steps that the kernel has acknowledged. */
  readonly done: readonly Step[];
  /** One for each failure, with what to do. */
  readonly failures: readonly Problem[];
  /** Those of them that cost more than single peers. */
  readonly grave: readonly Problem[];
}

/** More changes of peers than this in one turn are logged as one line (each at level debug). */
const PEER_LINES = 16;

/** Changes of peers that the device is given before anything is said of it. */
const PEERS_AT_ONCE = 500;

export async function applySteps(
  world: World,
  steps: readonly Step[],
  options: ApplyOptions,
): Promise<Applied> {
  const done: Step[] = [];
  const failures: Problem[] = [];
  const grave: Problem[] = [];
  let hold = options.holdConflist;
  for (const group of groups(steps)) {
    const [first] = group;
    if (first === undefined) continue;
    if (hold && first.kind === "write-conflist") continue;
    try {
      await applyGroup(world, group, options);
      done.push(...group);
      logGroup(group, options.log);
    } catch (error) {
      const failure = failureOf(first, error);
      const lack = isLackOfNftables(first, error);
      failures.push(failure);
      if (first.kind !== "peer" && !lack) grave.push(failure);
      hold ||= !lack;
      // Nothing that follows can stand without the link.
      if (first.kind === "create-link") break;
    }
  }
  return { done, failures, grave };
}

/** Neighbouring peer steps together, each other step alone. */
function* groups(steps: readonly Step[]): Generator<readonly Step[]> {
  let peers: Step[] = [];
  for (const step of steps) {
    if (step.kind === "peer") {
      peers.push(step);
      continue;
    }
    if (peers.length > 0) yield peers;
    peers = [];
    yield [step];
  }
  if (peers.length > 0) yield peers;
}

async function applyGroup(
  world: World,
  group: readonly Step[],
  options: ApplyOptions,
): Promise<void> {
  const [first] = group;
  if (first?.kind === "peer") {
    await applyPeers(world, first.link, { group, ...options });
  } else if (first !== undefined) {
    await applyStep(world, first, options.privateKey);
  }
}

/** A few at a time where there are many: a slow userspace program is then seen to go on. */
async function applyPeers(
  world: World,
  link: string,
  { clock, group, log }: ApplyOptions & { readonly group: readonly Step[] },
): Promise<void> {
  const { length: total } = group;
  const what = `Applying ${counted(total)} peers`;
  const progress = new Progress({ clock, log, what, total });
  for (let at = 0; at < total; at += PEERS_AT_ONCE) {
    const slice = group.slice(at, at + PEERS_AT_ONCE);
    await world.wireGuard.changePeers(link, peerChanges(slice));
    progress.at(at + slice.length);
  }
}

function peerChanges(group: readonly Step[]): readonly PeerChange[] {
  return group.flatMap((step) => step.kind === "peer" ? [step.change] : []);
}

async function applyStep(
  world: World,
  step: Exclude<Step, { readonly kind: "peer" }>,
  key: PrivateKey,
): Promise<void> {
  const { routes, wireGuard } = world;
  switch (step.kind) {
    case "create-link":
      return await routes.createLink(step.link);
    case "set-link-alias":
      return await routes.setLinkAlias(step.link, step.alias);
    case "set-link-mtu":
      return await routes.setLinkMtu(step.link, step.mtu);
    case "set-link-up":
      return await routes.setLinkUp(step.link);
    case "set-private-key":
      return await wireGuard.setPrivateKey(step.link, key);
    case "set-listen-port":
      return await wireGuard.setListenPort(step.link, step.port);
    case "add-address":
      return await routes.addAddress(step.link, step.address);
    case "remove-address":
      return await routes.removeAddress(step.link, step.address);
    case "add-route":
      return await routes.addRoute(step.route, { replace: step.replace });
    case "remove-route":
      return await routes.removeRoute(step.route);
    case "set-sysctl":
      return await world.sysctl.write(step.name, step.value);
    case "set-table":
      return await world.tables.replace(step.table);
    case "write-conflist":
      return await world.conflist.write(step.file, step.text);
  }
}

function logGroup(group: readonly Step[], log: Log): void {
  const many = group.length > PEER_LINES;
  for (const step of group) {
    if (many) log.debug(stepText(step));
    else log.info(stepText(step), said(step));
  }
  if (many) {
    const { length: peers } = group;
    log.info(`Changed ${counted(peers)} peers`, {
      event: "peers-changed",
      peers,
    });
  }
}

function said(step: Step): LogSaid {
  const said = { event: "step", step: step.kind } as const;
  if (step.kind !== "peer") return said;
  return step.change.kind === "set-peer"
    ? { ...said, node: step.change.node }
    : { ...said, reason: step.change.reason };
}

/** Pods reach each other all the same, so they may start. */
function isLackOfNftables(step: Step, error: unknown): boolean {
  const { ENOENT, EOPNOTSUPP, EPROTONOSUPPORT } = ERRNO;
  return step.kind === "set-table" && error instanceof KernelError &&
    [ENOENT, EOPNOTSUPP, EPROTONOSUPPORT].some((one) => one === error.errno);
}

function failureOf(step: Step, error: unknown): Problem {
  const { cure, reason } = advice(step, error);
  const problem = problemOf(error, reason);
  return { ...problem, text: problem.text + cure };
}

interface Advice {
  readonly reason: ProblemReason;
  /** What a person can do about it; "" where the error says enough. */
  readonly cure: string;
}

function advice(step: Step, error: unknown): Advice {
  const none: Advice = { reason: REASON_DOWN, cure: "" };
  if (!(error instanceof KernelError)) return none;
  if (isLackOfNftables(step, error)) {
    return {
      reason: "NoNftables",
      cure:
        "; this kernel lacks nf_tables or a part of it, `modprobe -a nf_tables nft_fib_inet nft_masq nft_chain_nat` says which: " +
        "until then nothing is masqueraded, and only routes keep pods' traffic in the tunnel",
    };
  }
  switch (error.errno) {
    case ERRNO.EADDRINUSE:
      return {
        reason: "ListenPortInUse",
        cure:
          "; another program holds the UDP port: `ss -ulpn` names it; end it, or give every node another --listen-port",
      };
    case ERRNO.EPERM:
    case ERRNO.EACCES:
      return {
        reason: "NotPermitted",
        cure: "; run as root, or with CAP_NET_ADMIN",
      };
    case ERRNO.EOPNOTSUPP:
      return step.kind === "create-link" ? NO_WIREGUARD : none;
    case ERRNO.EEXIST:
      return step.kind === "add-route" ? FOREIGN_ROUTE : none;
    default:
      return none;
  }
}

const NO_WIREGUARD: Advice = {
  reason: "NoWireGuard",
  cure:
    "; this kernel has no WireGuard: install its module, or start `wireguard-go` and take --backend userspace",
};

const FOREIGN_ROUTE: Advice = {
  reason: "ForeignRoute",
  cure:
    "; a route of somebody else is in the way: `ip route show` names it; remove it, or choose another --cluster-cidr",
};

/**
 * One turn: snapshot → plan → apply → read back → report.
 *
 * While the last turn read back clean, a Node event is planned against the
 * cached observation of the peers that it touches, and a network event reads
 * links, addresses, routes and settings but not the peers. A timer, an error, a
 * change of our own Node or of our link makes the next turn a full one.
 * Nothing is taken away before the first complete list of Nodes: until then the
 * desired state says nothing about peers.
 *
 * @module
 */

import { PeerTable } from "../core/advance.ts";
import type { Counters } from "../core/counters.ts";
import { ProblemError } from "../core/errors.ts";
import type { PrivateKey, PublicKey } from "../core/key.ts";
import type { Log } from "../core/log.ts";
import type { Found } from "../core/network_verdict.ts";
import { type Plan, plan } from "../core/plan.ts";
import { cutOffNode, foreignAtStart } from "../core/preflight.ts";
import { fatalOf, type Problem } from "../core/problem.ts";
import { samePeer, type State, type Step } from "../core/state.ts";
import { shortText } from "../core/step_text.ts";
import { inSpan, type Tracer, UNTRACED } from "../core/trace.ts";
import { type Applied, applySteps } from "./apply.ts";
import { CniWatch } from "./cni_watch.ts";
import { FirewallWatch } from "./firewall.ts";
import { News } from "./news.ts";
import { observe } from "./observe.ts";
import type { Report, Scope } from "./report.ts";
import { type Wanted, Wants, type WantsOptions } from "./wants.ts";

export interface ReconcileOptions extends WantsOptions {
  readonly privateKey: PrivateKey;
  readonly log: Log;
  readonly counters?: Counters;
  readonly tracer?: Tracer;
}

export class Reconciler {
  readonly #options: ReconcileOptions;
  readonly #tracer: Tracer;
  readonly #firewall: FirewallWatch;
  readonly #cni: CniWatch;
  readonly #news: News;
  readonly #wants: Wants;
  /** The last clean observation; `undefined`: read everything. */
  #cached: State | undefined;
  #cachedPeers = new PeerTable([]);
  /** Problems that stand since the last look at more than peers. */
  #standing: readonly Problem[] = [];
  /** What stands for the pods since then. */
  #network: Found | undefined;
  /** Everything stood as was wanted, as read, and what is wanted is the same since then. */
  #stood = false;
  #adopted = false;
  #verified = false;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#tracer = options.tracer ?? UNTRACED;
    this.#firewall = new FirewallWatch(options.world.tables, options.log);
    this.#cni = new CniWatch(options.world.cni, options);
    this.#news = new News(options.log);
    this.#wants = new Wants(options);
  }

  /** Did the last look at the device find our own key in it? */
  get verified(): boolean {
    return this.#verified;
  }

  /** Forget what was read: the next turn is a full one. */
  distrust(): void {
    this.#cached = undefined;
  }

  /** @throws {FatalError} at the first turn, where the link of our name is not ours */
  async turn(scope: Scope): Promise<Report> {
    const turn = this.#tracer.open("turn", { root: true });
    return await inSpan(turn, async (span) => {
      const report = await this.#turn(scope);
      const { applied: steps, clean, problems } = report;
      const peers = this.#options.nodes.peers()?.size ?? 0;
      const { length } = problems;
      span.set({ scope: report.scope, peers, steps, clean, problems: length });
      if (problems[0] !== undefined) span.fail(problems[0].text);
      return report;
    });
  }

  async #turn(scope: Scope): Promise<Report> {
    const { nodes } = this.#options;
    const touched = nodes.takeTouched();
    const selfChanged = nodes.takeSelfChanged();
    if (selfChanged || this.#cached === undefined) scope = "full";
    if (selfChanged) this.#stood = false;
    // The first IPv6 endpoint takes 20 more bytes from everybody's MTU.
    if (this.#wants.otherFamily) {
      scope = "full";
      this.#stood = false;
    }
    try {
      if (scope === "full") return await this.#full(touched);
      const rest = scope === "network" ? await this.#rest(touched) : undefined;
      if (rest !== undefined && !rest.clean) return rest;
      const peers = await this.#peers(touched);
      return { ...peers, scope, applied: peers.applied + (rest?.applied ?? 0) };
    } catch (error) {
      this.#cached = undefined;
      throw error;
    }
  }

  async #full(touched: ReadonlySet<PublicKey>): Promise<Report> {
    this.#cached = undefined;
    this.#refuseCutOff();
    const want = await this.#wants.read();
    let have = await this.#observe(want.state, true);
    this.#refuseForeign(have);
    let planned = this.#plan(want.state, have);
    let applied = 0;
    let newLink = false;
    let failures: readonly Problem[] = [];
    let grave: readonly Problem[] = [];
    if (planned.steps.length > 0) {
      const result = await this.#apply(planned.steps, want.waiting);
      applied = result.done.length;
      this.#count(result.done, touched);
      newLink = result.done.some(({ kind }) => kind === "set-link-alias");
      ({ failures, grave } = result);
      have = await this.#observe(want.state, true);
      planned = this.#plan(want.state, have);
    }
    this.#verified = have.device?.publicKey === this.#options.publicKey;
    const cni = await this.#cni.look();
    const problems = [...want.waiting, ...planned.blocked, ...failures];
    const [missing] = planned.steps.filter((step) =>
      !this.#isNews(step) &&
      (step.kind !== "write-conflist" || problems.length === 0)
    );
    problems.push(...cni.problems);
    const outages = [
      ...want.waiting,
      ...planned.blocked,
      ...grave,
      ...cni.outages,
    ];
    if (missing !== undefined && failures.length === 0) {
      const problem = undone(missing);
      problems.push(problem);
      // Nor does a table that somebody keeps deleting part pods from each other.
      const minor = ["peer", "set-table"].includes(missing.kind);
      if (!minor) outages.push(problem);
    }
    const clean = missing === undefined && have.peersComplete !== false;
    if (clean) this.#remember(have);
    this.#stood ||= clean && problems.length === 0;
    this.#standing = problems;
    await this.#firewall.look(want.podCidrs);
    this.#news.say(want.notes);
    const network = this.#found(want, outages);
    return { scope: "full", applied, newLink, problems, clean, network };
  }

  /** A Node that changed during the turn is for the next one, which knows of it. */
  #isNews(step: Step): boolean {
    return step.kind === "peer" &&
      this.#options.nodes.isTouched(step.change.publicKey);
  }

  /** Everything but the device and its peers; a full turn where something is amiss. */
  async #rest(touched: ReadonlySet<PublicKey>): Promise<Report> {
    const cached = this.#cached;
    const want = await this.#wants.read();
    const have = await this.#observe(want.state, false);
    const { device: _device, peers: _peers, ...goal } = want.state;
    const planned = this.#plan(goal, have);
    if (
      have.link === null || planned.steps.length > 0 ||
      planned.blocked.length > 0
    ) return await this.#full(touched);
    this.#cached = { ...cached, ...have };
    const { last: cni } = this.#cni;
    this.#standing = [...want.waiting, ...cni.problems];
    return {
      scope: "network",
      applied: 0,
      newLink: false,
      problems: this.#standing,
      clean: true,
      network: this.#found(want, [...want.waiting, ...cni.outages]),
    };
  }

  async #peers(touched: ReadonlySet<PublicKey>): Promise<Report> {
    const peers = this.#options.nodes.peers();
    const have = { peers: this.#cachedPeers.peers, peersComplete: true };
    const { steps } = touched.size === 0
      ? { steps: [] }
      : this.#plan({ peers }, have, touched);
    const { done, failures } = await this.#apply(steps, []);
    this.#count(done, touched);
    const clean = failures.length === 0;
    if (!clean) this.#cached = undefined;
    for (const step of clean ? steps : []) {
      if (step.kind === "peer") this.#cachedPeers.apply(step.change);
    }
    const problems = [...this.#standing, ...failures];
    const network = this.#network;
    const applied = done.length;
    const rest = { newLink: false, problems, clean, network };
    return { scope: "peers", applied, ...rest };
  }

  /** What stood, and nobody wanted otherwise, somebody else has changed. */
  #count(done: readonly Step[], touched: ReadonlySet<PublicKey>): void {
    const { counters } = this.#options;
    for (const step of done) {
      counters?.add("steps", step.kind);
      const wanted = this.#isNews(step) ||
        step.kind === "peer" && touched.has(step.change.publicKey);
      if (this.#stood && !wanted) counters?.add("drift-repairs", step.kind);
    }
  }

  #found({ nodeUid }: Wanted, outages: readonly Problem[]): Found | undefined {
    this.#network = nodeUid === undefined ? undefined : { nodeUid, outages };
    return this.#network;
  }

  async #observe(want: State, peers: boolean): Promise<State> {
    const { config, world } = this.#options;
    return await inSpan(this.#tracer.open("observe"), async (span) => {
      const have = await observe(world, {
        link: config.interface,
        linkKind: this.#wants.linkKind,
        clusterCidrs: config.clusterCidrs,
        sysctls: [...want.sysctls?.keys() ?? []],
        conflistFile: config.cniConfFile,
        peers,
      });
      span.set({ routes: have.routes?.length ?? 0 });
      if (have.peers !== undefined) span.set({ peers: have.peers.size });
      return have;
    });
  }

  #plan(want: State, have: State, only?: ReadonlySet<PublicKey>): Plan {
    const { config, nodes } = this.#options;
    const span = this.#tracer.open("plan");
    const planned = plan(want, have, {
      link: config.interface,
      privateKeyFile: config.privateKeyFile,
      cniConfFile: config.cniConfFile,
      nodeOf: (key) => nodes.nodeOf(key),
      only,
    });
    const { blocked, steps } = planned;
    span.set({ steps: steps.length, blocked: blocked.length });
    span.end();
    return planned;
  }

  async #apply(
    steps: readonly Step[],
    waiting: readonly Problem[],
  ): Promise<Applied> {
    const { clock, log, privateKey, world } = this.#options;
    // Pods must not start before the network stands.
    const holdConflist = waiting.length > 0;
    const options = { clock, log, privateKey, holdConflist };
    if (steps.length === 0) return await applySteps(world, steps, options);
    return await inSpan(this.#tracer.open("apply"), async (span) => {
      const result = await applySteps(world, steps, options);
      const { done, failures } = result;
      span.set({ steps: done.length, failures: failures.length });
      if (failures[0] !== undefined) span.fail(failures[0].text);
      return result;
    });
  }

  /** A peer that is as it should be is kept once, with the strings that are there anyway. */
  #remember({ peers = new Map(), ...rest }: State): void {
    const wanted = this.#options.nodes.peers();
    this.#cached = rest;
    this.#cachedPeers = new PeerTable(
      peers.values().map((have) => {
        const want = wanted?.get(have.publicKey);
        const peer = want && samePeer(have, want) ? want : have;
        return [peer.publicKey, peer] as const;
      }),
    );
  }

  /** Before the first write it ends the agent; later nothing more is written. */
  #refuseCutOff(): void {
    const { config, nodes } = this.#options;
    const problem = cutOffNode(config.clusterCidrs, nodes.self());
    if (problem === undefined) return;
    if (!this.#adopted) throw fatalOf(problem);
    throw new ProblemError(problem.text, { reason: problem.reason });
  }

  /** At the start only: later it is a problem like any other, and may pass. */
  #refuseForeign(have: State): void {
    const { config, publicKey } = this.#options;
    if (this.#adopted) return;
    const problem = foreignAtStart(have, {
      name: config.interface,
      kind: this.#wants.linkKind,
      publicKey,
    });
    if (problem !== undefined) throw fatalOf(problem);
    this.#adopted = true;
  }
}

function undone(step: Step): Problem {
  const text = `Not in place after it was set: ${shortText(step)}`;
  return { reason: "UndoneBySomebodyElse", text };
}

import assert from "node:assert/strict";
import { applySteps } from "../../mod/agent/apply.ts";
import { observe, type World } from "../../mod/agent/observe.ts";
import {
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../mod/core/address.ts";
import { advance } from "../../mod/core/advance.ts";
import { parseArguments } from "../../mod/core/arguments.ts";
import { NOTHING_FOUND } from "../../mod/core/cni_check.ts";
import { desired } from "../../mod/core/desired.ts";
import {
  derivePublicKey,
  PrivateKey,
  type PublicKey,
} from "../../mod/core/key.ts";
import type { Log } from "../../mod/core/log.ts";
import { PeerIndex } from "../../mod/core/peer_index.ts";
import { type Plan, plan } from "../../mod/core/plan.ts";
import { textsOf } from "../../mod/core/problem.ts";
import {
  type HostFacts,
  type Route,
  ROUTE_PROTOCOL,
  type State,
  type Step,
  WORST_METRIC,
} from "../../mod/core/state.ts";
import { stepText } from "../../mod/core/step_text.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import { FakeKernel } from "../fakes/kernel.ts";
import { hostileNode, testKey, testNode } from "../support/nodes.ts";
import { Random } from "../support/random.ts";

const SEEDS = 120;
const { config } = parseArguments(
  ["--cluster-cidr=10.0.0.0/15,fd00::/46"],
  {},
  { hostName: "node-0" },
);
const LINK = config.interface;
const PRIVATE_KEY = PrivateKey.fromBytes(new Uint8Array(32).fill(7));
const SELF = testNode(0, {
  internalIps: ["192.0.2.100"],
  podCidrs: ["10.0.40.0/24", "fd00:0:0:40::/64"],
});
const HOST: Partial<HostFacts> = {
  addresses: [{
    link: "eth0",
    kind: "",
    address: parseAddress("192.0.2.100"),
    bits: 24,
    mtu: 1500,
  }],
  raLinks: ["eth0"],
};
const say = (): void => {};
const SILENT: Log = { debug: say, info: say, warn: say, error: say };

/** One machine, its Nodes, and what the agent does between them. */
class Setting {
  readonly kernel = new FakeKernel({ host: HOST });
  readonly world: World;
  readonly index: PeerIndex;
  readonly publicKey: PublicKey;

  constructor(publicKey: PublicKey) {
    this.publicKey = publicKey;
    this.index = new PeerIndex(config, publicKey);
    let conflist: string | null = null;
    this.world = {
      wireGuard: this.kernel.wireguard,
      routes: this.kernel.routes,
      sysctl: this.kernel.sysctl,
      tables: this.kernel.tables,
      conflist: {
        read: () => Promise.resolve(conflist),
        write: (_, text) => {
          conflist = text;
          return Promise.resolve();
        },
      },
      cni: { look: () => Promise.resolve(NOTHING_FOUND) },
    };
  }

  async desired(): Promise<State> {
    return desired({
      config,
      publicKey: this.publicKey,
      self: this.index.self,
      listed: true,
      peers: this.index.peers(),
      host: await this.kernel.routes.hostFacts(LINK),
      linkKind: "wireguard",
    }).state;
  }

  async observe(aim: State): Promise<State> {
    return await observe(this.world, {
      link: LINK,
      linkKind: "wireguard",
      clusterCidrs: config.clusterCidrs,
      sysctls: [...aim.sysctls?.keys() ?? []],
      conflistFile: config.cniConfFile,
      peers: true,
    });
  }

  plan(aim: State, observed: State): Plan {
    return plan(aim, observed, {
      link: LINK,
      privateKeyFile: config.privateKeyFile,
      cniConfFile: config.cniConfFile,
      nodeOf: (key) => this.index.nodeOf(key),
    });
  }

  async apply(steps: readonly Step[]): Promise<readonly string[]> {
    const { failures } = await applySteps(this.world, steps, {
      privateKey: PRIVATE_KEY,
      log: SILENT,
      clock: systemClock,
      holdConflist: false,
    });
    return textsOf(failures);
  }
}

/** What a person, an older version or a crash may have left behind. */
function disturb(
  { kernel: { hand }, publicKey }: Setting,
  random: Random,
): void {
  for (const destination of config.clusterCidrs) {
    if (random.chance(0.5)) hand.addRoute(deadEnd(destination));
  }
  if (random.chance(0.5)) hand.addRoute(deadEnd(parsePrefix("10.9.0.0/16")));
  if (random.chance(0.2)) return;
  hand.addLink(LINK, "wireguard");
  const alias = random.pick(["", "clusternet"]);
  hand.editLink(LINK, { mtu: random.pick([1280, 1420, 1440]), alias });
  if (random.chance(0.7)) hand.setLinkUp(LINK);
  hand.setDeviceKey(
    LINK,
    [null, publicKey, testKey(500)][random.below(3)] ?? null,
  );
  hand.setDevicePort(LINK, random.pick([0, 7838, 9]));
  const gateways = [
    "10.0.40.1",
    "10.0.41.1",
    "fd00:0:0:40::1",
    "fd00:0:0:41::1",
  ];
  for (const text of gateways) {
    if (random.chance(0.4)) continue;
    const address = parseAddress(text);
    const six = text.includes(":");
    hand.addAddress(LINK, parsePrefix(`${text}/${six ? 128 : 32}`));
    if (random.chance(0.5)) continue;
    const destination = config.clusterCidrs[six ? 1 : 0] ??
      parsePrefix("10.0.0.0/15");
    const metric = six ? 1024 : random.pick([0, 50]);
    const there = hand.routes.some((route) =>
      route.destination === destination && route.metric === metric
    );
    if (!there) {
      hand.addRoute({
        ...deadEnd(destination),
        type: "unicast",
        device: LINK,
        source: address,
        metric,
      });
    }
  }
  for (let n = 1; n < 14; n++) {
    if (random.chance(0.4)) continue;
    const { podCidrs } = hostileNode(random, 14);
    hand.setPeer(LINK, {
      publicKey: testKey(random.chance(0.8) ? n : 600 + n),
      allowedIps: podCidrs.flatMap((text) =>
        text.includes("nonsense") || text.startsWith("::ffff")
          ? []
          : [parsePrefix(text)]
      ),
      ...random.chance(0.5) ? { endpoint: `192.0.2.${n}:7838` } : {},
      presharedKey: random.chance(0.2),
      keepaliveSeconds: random.pick([0, 0, 25]),
    });
  }
}

function deadEnd(destination: Prefix): Route {
  return {
    destination,
    type: "unreachable",
    device: undefined,
    source: undefined,
    metric: WORST_METRIC,
    protocol: ROUTE_PROTOCOL,
  };
}

function comparable(state: State): unknown {
  const { routes, addresses, peers, sysctls, ...rest } = state;
  return {
    ...rest,
    routes: routes?.map((route) => JSON.stringify(Object.entries(route).sort()))
      .sort(),
    addresses: addresses?.toSorted(),
    peers: [...peers ?? []].sort(([a], [b]) => a < b ? -1 : 1),
    sysctls: [...sysctls ?? []].sort(),
  };
}

async function setting(random: Random): Promise<Setting> {
  const result = new Setting(await derivePublicKey(PRIVATE_KEY));
  disturb(result, random);
  const others = Array.from(
    { length: random.below(14) },
    () => hostileNode(random, 14),
  )
    .filter(({ name }) => name !== SELF.name);
  result.index.replace([SELF, ...others]);
  return result;
}

Deno.test("a plan does to the kernel, step by step, what advance() says, and then rests", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const here = await setting(new Random(seed));
    const aim = await here.desired();
    let model = await here.observe(aim);
    const { steps, blocked } = here.plan(aim, model);
    const label = `seed ${seed}:\n${steps.map(stepText).join("\n")}`;
    assert.deepEqual(blocked, [], label);
    for (const step of steps) {
      assert.deepEqual(
        await here.apply([step]),
        [],
        `${label}\nat ${stepText(step)}`,
      );
      model = advance(model, [step], { publicKey: here.publicKey });
      const observed = await here.observe(aim);
      const at = `${label}\nafter ${stepText(step)}`;
      assert.deepEqual(comparable(observed), comparable(model), at);
    }
    assert.deepEqual(here.plan(aim, model).steps, [], label);
    const held = [...model.peers?.values() ?? []].flatMap((peer) =>
      peer.allowedIps
    );
    for (const [at, prefix] of held.entries()) {
      assert.ok(
        !held.slice(0, at).some((other) => overlaps(other, prefix)),
        label,
      );
    }
  }
});

Deno.test("a plan that was cut off anywhere is mended by the next", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random(seed);
    const here = await setting(random);
    const aim = await here.desired();
    const first = here.plan(aim, await here.observe(aim)).steps;
    await here.apply(first.slice(0, random.below(first.length + 1)));
    const second = here.plan(aim, await here.observe(aim)).steps;
    here.kernel.inject({ errno: 12, skip: random.below(second.length + 1) });
    await here.apply(second);
    here.kernel.heal();
    const third = here.plan(aim, await here.observe(aim)).steps;
    assert.deepEqual(await here.apply(third), [], `seed ${seed}`);
    const left = here.plan(aim, await here.observe(aim)).steps.map(stepText);
    assert.deepEqual(left, [], `seed ${seed}`);
  }
});

import assert from "node:assert/strict";
import { eventually, pause } from "../lab/harness.ts";
import type { Machine } from "./machine.ts";
import {
  losesNothingBothWays,
  reboot,
  type Service,
  serviceTest,
  settled,
  statusIs,
  tunnels,
  UNIT,
  WIREGUARD_GO_UNIT,
} from "./service.ts";

const CONFLIST = "/etc/cni/net.d/10-clusternet.conflist";

serviceTest(
  "a service that hangs or crashes comes back, and no packet is lost",
  {
    files: {
      [`/etc/systemd/system/${UNIT}.d/watchdog.conf`]:
        "[Service]\nWatchdogSec=2\n",
    },
  },
  async (service) => {
    const { claim, machine } = service;
    const before = await tunnels(service);

    await claim("one that hangs is ended by the watchdog", async () => {
      await losesNothingBothWays(service, async () => {
        await signalAgent(machine, "STOP");
        await restarts(machine, 1);
        await settled(service);
      });
      const lines = await messages(machine);
      assert.ok(
        lines.some((line) => line.includes("Watchdog timeout")),
        lines.join("\n"),
      );
    });

    await claim(
      "one that crashes is started again, each time a little later",
      async () => {
        const delays: number[] = [];
        await losesNothingBothWays(service, async () => {
          for (let times = 2; times <= 3; times++) {
            delays.push(await nextDelay(machine));
            await signalAgent(machine, "KILL");
            await restarts(machine, times);
            await settled(service);
          }
        });
        assert.deepEqual(delays, [...delays].sort((a, b) => a - b));
        assert.ok(new Set(delays).size === delays.length, delays.join(", "));
      },
    );

    await claim("none of it changes a peer", async () => {
      assert.equal(await tunnels(service), before);
    });
  },
);

serviceTest(
  "a bad option is one sentence, and is tried again ever more rarely",
  { variables: { CLUSTERNET_MTU: "12" }, settled: false },
  async (service) => {
    const { claim, machine } = service;
    await restarts(machine, 2);

    await claim("systemctl status shows the sentence", async () => {
      await eventually("it waits for its next start", async () => {
        const { SubState } = await machine.show(UNIT, ["SubState"]);
        return SubState === "auto-restart" ? true : undefined;
      });
      const { stdout } = await machine.run([
        ...["systemctl", "status", "--no-pager", UNIT],
      ]);
      assert.match(stdout, /^ +Status: "Cannot use CLUSTERNET_MTU=12: .+"$/m);
      assert.match(stdout, /code=exited, status=2/);
    });

    await claim("each start is one line of the agent's", async () => {
      const { NRestarts } = await machine.show(UNIT, ["NRestarts"]);
      const said = (await machine.journal(UNIT))
        .filter(({ SYSLOG_IDENTIFIER }) => SYSLOG_IDENTIFIER === "clusternet");
      const starts = Number(NRestarts) + 1;
      assert.ok(said.length === starts || said.length === starts - 1);
      assert.equal(new Set(said.map(({ MESSAGE }) => MESSAGE)).size, 1);
    });

    await claim("the delay rises from 1 s to 30 s", async () => {
      const limits = await machine.show(UNIT, [
        ...["RestartUSec", "RestartMaxDelayUSec", "RestartSteps"],
      ]);
      assert.deepEqual(limits, {
        RestartUSec: "1s",
        RestartMaxDelayUSec: "30s",
        RestartSteps: "6",
      });
      // 1 s, then 30 s after six more: by the sixth root of 30 each time.
      assert.ok(Math.abs(await nextDelay(machine) - 30 ** (2 / 6)) < 0.5);
    });

    await claim("once it is mended a start is enough", async () => {
      const file = "/etc/clusternet/clusternet.env";
      await machine.must(["sed", "-i", "s/^CLUSTERNET_MTU=/#&/", file]);
      await machine.must(["systemctl", "restart", UNIT]);
      await settled(service);
      assert.equal((await machine.show(UNIT, ["NRestarts"])).NRestarts, "0");
    });
  },
);

/** What a kubelet would find when it starts. */
const KUBELET = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip route show > /run/at-kubelet; \\
  systemctl is-active ${UNIT} >> /run/at-kubelet; \\
  test ! -e ${CONFLIST} || echo conflist >> /run/at-kubelet'
`;

serviceTest(
  "a boot without an API server",
  {
    apiAway: true,
    settled: false,
    files: {
      "/etc/systemd/system/kubelet.service": KUBELET,
      "/etc/systemd/system/multi-user.target.d/kubelet.conf":
        "[Unit]\nWants=kubelet.service\n",
    },
  },
  async (service) => {
    const { claim, lab, machine } = service;

    await claim(
      "the kubelet starts, and after what is for pods has a guard",
      async () => {
        const found = await machine.must(["cat", "/run/at-kubelet"]);
        assert.match(found, /^unreachable 10\.0\.0\.0\/16 proto 78/m);
        assert.match(found, /^active$/m);
        assert.doesNotMatch(found, /conflist/);
        const boot = await machine.must(["journalctl", "--boot", "--no-pager"]);
        assert.doesNotMatch(boot, /ordering cycle/);
      },
    );

    await claim("the service stays, and says what it waits for", async () => {
      await pause(3_000);
      const { ActiveState, NRestarts, StatusText } = await machine.show(UNIT, [
        ...["ActiveState", "NRestarts", "StatusText"],
      ]);
      assert.deepEqual([ActiveState, NRestarts], ["active", "0"]);
      assert.match(StatusText ?? "", /^Degraded: .*Connection refused/i);
    });

    await claim("it gets its peers once the API server is there", async () => {
      await lab.api.comeBack();
      await settled(service);
      await machine.sh(`test -s ${CONFLIST}`);
    });

    await claim(
      "a wireguard-go that dies comes back, and is set up again",
      async () => {
        if (lab.settings.wireguard.backend === "kernel") return;
        const before = await tunnels(service);
        const { MainPID } = await machine.show(WIREGUARD_GO_UNIT, ["MainPID"]);
        await machine.must(["kill", "-KILL", MainPID ?? ""]);
        await eventually("the tunnels are there again", async () => {
          const now = await tunnels(service).catch(() => "");
          return now === before ? true : undefined;
        }, 40_000);
      },
    );

    await claim(
      "after a reboot no pod starts before the agent does",
      async () => {
        const key = await publicKey(service);
        await machine.must(["systemctl", "disable", UNIT]);
        await reboot(service);
        await machine.sh(`test -L ${CONFLIST}; test ! -e ${CONFLIST}`);
        await machine.must(["systemctl", "enable", "--now", UNIT]);
        await statusIs(machine, /^OK, 1 peer$/);
        await machine.sh(`test -s ${CONFLIST}`);
        assert.equal(await publicKey(service), key);
      },
    );
  },
);

async function publicKey({ machine }: Service): Promise<string> {
  return await machine.must(["wg", "show", "clusternet", "public-key"]);
}

async function signalAgent(machine: Machine, signal: string): Promise<void> {
  await machine.must([
    ...["systemctl", "kill", "--kill-whom=main", `--signal=${signal}`, UNIT],
  ]);
}

/** Waits until it has been started again so many times. */
async function restarts(machine: Machine, times: number): Promise<void> {
  await eventually(`there are ${times} restarts`, async () => {
    const { NRestarts } = await machine.show(UNIT, ["NRestarts"]);
    return Number(NRestarts) >= times ? true : undefined;
  }, 60_000);
}

/** Seconds until the next start, if it ended now. */
async function nextDelay(machine: Machine): Promise<number> {
  const { RestartUSecNext = "" } = await machine.show(UNIT, [
    "RestartUSecNext",
  ]);
  const parts = [...RestartUSecNext.matchAll(/([\d.]+)(min|s|ms|us)/g)];
  const seconds = { min: 60, s: 1, ms: 1e-3, us: 1e-6 };
  return parts.reduce(
    (sum, [, number, unit]) =>
      sum + Number(number) * seconds[unit as keyof typeof seconds],
    0,
  );
}

async function messages(machine: Machine): Promise<readonly string[]> {
  return (await machine.journal(UNIT)).map(({ MESSAGE }) => MESSAGE);
}

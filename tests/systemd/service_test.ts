import assert from "node:assert/strict";
import { eventually, pause } from "../lab/harness.ts";
import type { Machine } from "./machine.ts";
import {
  diagnosed,
  KUBECONFIG,
  kubeconfig,
  losesNothingBothWays,
  serviceTest,
  settled,
  statusIs,
  tunnels,
  UNIT,
  WIREGUARD_GO_UNIT,
} from "./service.ts";

serviceTest("the service", {}, async (service) => {
  const { claim, lab, machine } = service;

  await claim("starts at boot, is READY and says its STATUS", async () => {
    assert.deepEqual(
      await machine.show(UNIT, [
        ...["ActiveState", "Type", "NotifyAccess", "StatusText"],
      ]),
      {
        ActiveState: "active",
        Type: "notify-reload",
        NotifyAccess: "main",
        StatusText: "OK, 1 peer",
      },
    );
  });

  await claim("is found healthy by doctor as it is deployed", async () => {
    const { findings, notMade } = await diagnosed(service);
    assert.deepEqual(findings, []);
    // The API server of the lab has no ConfigMaps.
    assert.deepEqual(notMade.map(({ code }) => code), [
      ...["cidr-services", "cidr-controller"],
      ...["kube-proxy-cidr", "apiserver-address-types"],
    ]);
  });

  await claim(
    "gives its lines a priority and a name in the journal",
    async () => {
      await lab.api.create({
        ...{ apiVersion: "v1", kind: "Node", metadata: { name: "outside" } },
        spec: { podCIDRs: ["192.0.2.0/24"] },
      });
      await eventually("there is a line about the Node", async () => {
        return (await machine.journal(UNIT))
          .find(({ MESSAGE }) => MESSAGE.includes("192.0.2.0/24"));
      });
      await lab.api.remove("outside");
      const { MainPID } = await machine.show(UNIT, ["MainPID"]);
      const lines = (await machine.journal(UNIT))
        .filter(({ _PID }) => _PID === MainPID);
      const priorities = new Set(lines.map(({ PRIORITY }) => PRIORITY));
      assert.deepEqual([...priorities].sort(), ["4", "6"]); // LOG_WARNING, LOG_INFO
      for (const line of lines) {
        assert.equal(line.SYSLOG_IDENTIFIER, "clusternet");
        assert.doesNotMatch(line.MESSAGE, /^<\d>|^\d{4}-\d\d-\d\d/);
      }
    },
  );

  await claim(
    "restarts without a lost packet in either direction",
    async () => {
      const before = await tunnels(service);
      const old = await machine.show(UNIT, ["MainPID"]);
      await losesNothingBothWays(service, async () => {
        for (let round = 0; round < 3; round++) {
          await machine.must(["systemctl", "restart", UNIT]);
          await settled(service);
        }
      });
      assert.notDeepEqual(await machine.show(UNIT, ["MainPID"]), old);
      assert.equal(await tunnels(service), before);
    },
  );

  await claim("leaves link, routes and peers when it is stopped", async () => {
    const before = [await tunnels(service), await dataPlane(machine)];
    await losesNothingBothWays(service, async () => {
      const begin = performance.now();
      await machine.must(["systemctl", "stop", UNIT]);
      const took = performance.now() - begin;
      assert.ok(took < 5_000, `${took} ms`);
      await pause(500);
      const after = [await tunnels(service), await dataPlane(machine)];
      assert.deepEqual(after, before);
      await machine.sh("test -s /etc/cni/net.d/10-clusternet.conflist");
      await machine.must(["systemctl", "start", UNIT]);
      await settled(service);
    });
    const { ActiveState } = await machine.show(WIREGUARD_GO_UNIT, [
      "ActiveState",
    ]);
    assert.equal(
      ActiveState,
      lab.settings.wireguard.backend === "kernel" ? "inactive" : "active",
    );
  });

  await claim(
    "tells systemd READY, STATUS, RELOADING, WATCHDOG and STOPPING",
    async () => {
      await machine.must(["systemctl", "log-level", "debug"]);
      await machine.must(["systemctl", "restart", UNIT]);
      await settled(service);
      await machine.must(["systemctl", "reload", UNIT]);
      await settled(service);
      await machine.must(["systemctl", "stop", UNIT]);
      await machine.must(["systemctl", "log-level", "info"]);
      const said = await notifications(machine);
      const order = [
        "STOPPING=1", // of the restart
        ...["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"],
      ];
      const found = said.filter((one) => order.includes(one));
      assert.deepEqual(found, order, said.join(" | "));
      assert.ok(said.some((one) => /^MONOTONIC_USEC=\d+$/.test(one)));
      assert.ok(said.includes("STATUS=OK, 1 peer"));
      assert.ok(said.includes("WATCHDOG=1"));
      await machine.must(["systemctl", "start", UNIT]);
      await settled(service);
    },
  );

  await claim(
    "reads a new kubeconfig at a reload, and goes on with the old one if the new one is bad",
    async () => {
      const file = KUBECONFIG;
      const good = kubeconfig(lab.settings.apiUrl);
      const { MainPID } = await machine.show(UNIT, ["MainPID"]);
      await losesNothingBothWays(service, async () => {
        await machine.write(file, "apiVersion: v1\nkind: Pod\n", 0o600);
        await machine.must(["systemctl", "reload", UNIT]);
        await statusIs(machine, /^OK, 1 peer$/);
        await machine.write(file, good.replace(":6443", ":6444"), 0o600);
        await machine.must(["systemctl", "reload", UNIT]);
        await statusIs(machine, /6444/);
        await machine.write(file, good, 0o600);
        await machine.must(["systemctl", "reload", UNIT]);
        await settled(service);
      });
      const refused = (await machine.journal(UNIT))
        .filter(({ MESSAGE }) => MESSAGE.includes("(all goes on as before)"));
      assert.deepEqual(refused.map(({ PRIORITY }) => PRIORITY), ["3"]); // LOG_ERR
      assert.match(refused[0]?.MESSAGE ?? "", /kubelet\.conf/);
      assert.equal((await machine.show(UNIT, ["MainPID"])).MainPID, MainPID);
    },
  );

  const deaf =
    "is READY within 20 s though neither name servers nor API server answer, and keeps its peers";
  await claim(deaf, async () => {
    const before = await tunnels(service);
    const good = kubeconfig(lab.settings.apiUrl);
    // Nobody has that address; the gateway drops what is for it.
    await machine.write("/etc/resolv.conf", "nameserver 192.0.2.1\n");
    const away = kubeconfig("http://api.example:6443");
    await machine.write(KUBECONFIG, away, 0o600);
    await losesNothingBothWays(service, async () => {
      const begin = performance.now();
      await machine.must(["systemctl", "restart", UNIT]);
      const took = performance.now() - begin;
      assert.ok(took < 20_000, `${took} ms`);
      assert.equal(await tunnels(service), before);
      const { StatusText } = await machine.show(UNIT, ["StatusText"]);
      assert.match(StatusText ?? "", /^(Starting|Degraded): /);
      await machine.write(KUBECONFIG, good, 0o600);
      await machine.must(["systemctl", "reload", UNIT]);
      await settled(service);
    });
    await machine.write("/etc/resolv.conf", "");
    assert.equal(await tunnels(service), before);
  });

  await claim("has its own kernel privileges and no others", async () => {
    const { MainPID } = await machine.show(UNIT, ["MainPID"]);
    const status = await machine.must(["cat", `/proc/${MainPID}/status`]);
    const of = (name: string): string =>
      status.match(new RegExp(`^${name}:\\s*(\\S+)$`, "m"))?.[1] ?? "";
    assert.equal(of("CapEff"), "0000000000001000"); // CAP_NET_ADMIN
    assert.equal(of("CapBnd"), "0000000000001000");
    assert.equal(of("NoNewPrivs"), "1");
    assert.equal(of("Seccomp"), "2"); // SECCOMP_MODE_FILTER
  });
});

/** Addresses, routes and nftables of ours, as ip(8) and nft(8) show them. */
async function dataPlane(machine: Machine): Promise<string> {
  return await machine.sh(`
ip -o address show dev clusternet
ip route show table all proto 78
nft list table inet clusternet
cat /proc/sys/net/ipv4/ip_forward`);
}

/** Assignments that systemd got from the unit's main process, oldest first. */
async function notifications(machine: Machine): Promise<readonly string[]> {
  return (await machine.journal(UNIT)).flatMap(({ MESSAGE }) => {
    const [, list] = /^\S+ Got notification message from PID \d+: (.*)$/
      .exec(MESSAGE) ?? [];
    return list?.split(/, (?=[A-Z_]+=)/) ?? [];
  });
}

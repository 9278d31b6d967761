import assert from "node:assert/strict";
import {
  planForget,
  planStart,
  planStop,
  type Systemd,
  type UnitState,
} from "../../mod/core/service_plan.ts";

const OFF: UnitState = { enabled: false, active: false };
const ON: UnitState = { enabled: true, active: true };

const CHANGED = [
  "/usr/local/bin/clusternet",
  "/etc/tmpfiles.d/clusternet.conf",
  "/etc/systemd/network/10-clusternet.network",
  "/etc/NetworkManager/conf.d/10-clusternet.conf",
  "/etc/systemd/system/clusternet.service",
];

function running(
  unit: UnitState,
  activeUnits: readonly string[] = [],
  userspaceUnit: UnitState = OFF,
): Systemd {
  return { kind: "running", activeUnits, unit, userspaceUnit };
}

function lines(commands: readonly (readonly string[])[]): readonly string[] {
  return commands.map((words) => words.join(" "));
}

Deno.test("planStart() of a first install makes directories, reloads, enables, starts", () => {
  const options = { changed: CHANGED, start: true };
  assert.deepEqual(lines(planStart(running(OFF), options)), [
    "systemd-tmpfiles --create /etc/tmpfiles.d/clusternet.conf",
    "systemctl daemon-reload",
    "systemctl enable clusternet.service",
    "systemctl --no-block start clusternet.service",
  ]);
});

Deno.test("planStart() of an upgrade restarts, and leaves other units alone", () => {
  const changed = ["/usr/local/bin/clusternet"];
  assert.deepEqual(lines(planStart(running(ON), { changed, start: true })), [
    "systemctl --no-block restart clusternet.service",
  ]);
});

Deno.test("planStart() does nothing where nothing changed and all is on", () => {
  assert.deepEqual(planStart(running(ON), { changed: [], start: true }), []);
});

Deno.test("planStart() starts what is not running, even if no file changed", () => {
  const stopped = running({ enabled: true, active: false });
  assert.deepEqual(lines(planStart(stopped, { changed: [], start: true })), [
    "systemctl --no-block start clusternet.service",
  ]);
});

Deno.test("planStart() without start enables, and touches no running unit", () => {
  for (const [unit, expected] of [[OFF, ["enable"]], [ON, []]] as const) {
    const changed = ["/usr/local/bin/clusternet"];
    assert.deepEqual(
      planStart(running(unit), { changed, start: false }).map(([, verb]) =>
        verb
      ),
      expected,
    );
  }
});

Deno.test("planStart() tells the network managers that run", () => {
  const both = ["systemd-networkd.service", "NetworkManager.service"];
  const commands = lines(planStart(running(ON, both), {
    changed: CHANGED,
    start: true,
  }));
  assert(commands.includes("networkctl reload"));
  assert(commands.includes("systemctl reload NetworkManager.service"));
});

Deno.test("planStart() in a tree only enables there; without systemctl it does nothing", () => {
  const tree: Systemd = {
    kind: "offline",
    root: "/image",
    unit: OFF,
    userspaceUnit: OFF,
  };
  const options = { changed: CHANGED, start: true };
  assert.deepEqual(lines(planStart(tree, options)), [
    "systemctl --root=/image enable clusternet.service",
  ]);
  assert.deepEqual(planStart({ ...tree, unit: ON }, options), []);
  assert.deepEqual(planStart({ kind: "none" }, options), []);
});

Deno.test("planStop() leaves what carries the link, unless it is purged", () => {
  const systemd = running(ON, [], { enabled: false, active: true });
  const agent = [
    "systemctl stop clusternet.service",
    "systemctl disable clusternet.service",
  ];
  assert.deepEqual(
    lines(planStop(systemd, { purge: false, handOver: false })),
    agent,
  );
  assert.deepEqual(lines(planStop(systemd, { purge: true, handOver: false })), [
    ...agent,
    "systemctl stop clusternet-wireguard-go.service",
  ]);
});

Deno.test("planForget() reloads what has lost a file, and makes nothing anew", () => {
  assert.deepEqual(
    lines(planForget(running(OFF), { changed: CHANGED, handOver: false })),
    [
      "systemctl daemon-reload",
    ],
  );
});

Deno.test("where a package takes over, its unit goes on with the link", () => {
  assert.deepEqual(planStop(running(ON), { purge: false, handOver: true }), []);
  const options = { changed: CHANGED, handOver: true };
  assert.deepEqual(lines(planForget(running(ON), options)), [
    "systemctl daemon-reload",
    "systemctl reenable clusternet.service",
    "systemctl --no-block restart clusternet.service",
  ]);
});

import assert from "node:assert/strict";
import { Notifier, watchdogIntervalMs } from "../../mod/sys/notify.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { tempDir } from "../support/temp_dir.ts";

const shim = await loadShim();

interface Listener extends Disposable {
  /** The next datagram. */
  text(): Promise<string>;
}

function listen(path: string): Listener {
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  return {
    async text(): Promise<string> {
      const [bytes] = await socket.receive();
      return new TextDecoder().decode(bytes);
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

Deno.test("Notifier tells systemd on a path and on an abstract name", async () => {
  await using dir = await tempDir();
  // Deno spells an abstract name with a NUL, systemd's variable with an @.
  const name = `clusternet-test-${Deno.pid}`;
  const rows = [
    [`${dir.path}/notify`, `${dir.path}/notify`],
    [`\0${name}`, `@${name}`],
  ] as const;
  for (const [path, socket] of rows) {
    using listener = listen(path);
    const notifier = new Notifier({ socket, shim });
    notifier.status("waiting\nfor the API\u2028READY=1");
    notifier.ready();
    notifier.status("OK, 12 peers");
    notifier.status("OK, 12 peers");
    notifier.watchdog();
    notifier.stopping();
    const expected = [
      "STATUS=waiting for the API READY=1\n",
      "READY=1\n",
      "STATUS=OK, 12 peers\n",
      "WATCHDOG=1\n",
      "STOPPING=1\n",
    ];
    for (const text of expected) {
      assert.equal(await listener.text(), text);
    }
  }
});

Deno.test("Notifier.reloading() carries the monotonic time", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/notify`;
  using listener = listen(path);
  const uptime = (): number =>
    parseFloat(Deno.readTextFileSync("/proc/uptime"));
  const before = uptime();
  new Notifier({ socket: path, shim }).reloading();
  const text = await listener.text();
  const [, microseconds] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)\n$/.exec(text) ??
    [];
  assert(Number(microseconds) >= before * 1e6, text);
  assert(Number(microseconds) <= (uptime() + 0.05) * 1e6, text);
});

Deno.test("Notifier never throws, and complains once", () => {
  const errors: unknown[] = [];
  const onError = (error: unknown): number => errors.push(error);
  for (const socket of [undefined, "", "vsock:2:1234", "relative"]) {
    new Notifier({ socket, shim, onError }).ready();
  }
  assert.equal(errors.length, 0);
  const deaf = new Notifier({ socket: "/nowhere/notify", shim, onError });
  deaf.ready();
  deaf.watchdog();
  assert.equal(errors.length, 1);
});

Deno.test("Notifier does not wait for a manager that does not read", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/notify`;
  using _listener = listen(path);
  const errors: unknown[] = [];
  const notifier = new Notifier({
    socket: path,
    shim,
    onError: (error) => errors.push(error),
  });
  for (let n = 0; n < 5_000; n++) notifier.watchdog();
  assert.equal(errors.length, 1, "the queue was full, and that was told once");
});

Deno.test("watchdogIntervalMs() is half of what systemd allows, if it is for us", () => {
  const rows = [
    [{ WATCHDOG_USEC: "60000000" }, 30_000],
    [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" }, 30_000],
    [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" }, undefined],
    [{ WATCHDOG_USEC: "1" }, 1],
    [{ WATCHDOG_USEC: "0" }, undefined],
    [{ WATCHDOG_USEC: "-5" }, undefined],
    [{ WATCHDOG_USEC: "soon" }, undefined],
    [{}, undefined],
  ] as const;
  for (const [environment, expected] of rows) {
    assert.equal(watchdogIntervalMs(environment, 7), expected);
  }
});

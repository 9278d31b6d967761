import assert from "node:assert/strict";
import { losesNothingBothWays, serviceTest, settled, UNIT } from "./service.ts";

/** Lines of the unit that Debian 12's systemd 252 does not know, and what it says of them. */
const UNKNOWN = [
  /Failed to parse service type, ignoring: notify-reload$/,
  /Unknown key name 'RestartSteps' in section 'Service', ignoring\.$/,
  /Unknown key name 'RestartMaxDelaySec' in section 'Service', ignoring\.$/,
];

serviceTest(
  "the units also work with Debian 12's systemd 252",
  { suite: "bookworm" },
  async (service) => {
    const { claim, machine } = service;

    await claim("READY, STATUS and the watchdog as ever", async () => {
      assert.deepEqual(
        await machine.show(UNIT, [
          ...["ActiveState", "Type", "StatusText", "WatchdogUSec"],
        ]),
        {
          ActiveState: "active",
          Type: "notify",
          StatusText: "OK, 1 peer",
          WatchdogUSec: "1min",
        },
      );
    });

    await claim("it knows all lines but three", async () => {
      const text = await machine.must([
        ...["journalctl", "--no-pager", "--boot", "--output=cat", "_PID=1"],
      ]);
      const said = text.split("\n")
        .filter((line) => /^\/etc\/systemd\/system\/clusternet/.test(line));
      const rest = said.filter((line) =>
        !UNKNOWN.some((pattern) => pattern.test(line))
      );
      assert.deepEqual(rest, []);
    });

    await claim(
      "a restart loses no packet, SIGHUP reads all again",
      async () => {
        await losesNothingBothWays(service, async () => {
          await machine.must(["systemctl", "restart", UNIT]);
          await settled(service);
          await machine.must([
            ...["systemctl", "kill", "--kill-who=main", "--signal=HUP", UNIT],
          ]);
          await settled(service);
        });
      },
    );
  },
);

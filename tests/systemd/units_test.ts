import assert from "node:assert/strict";
import { deployedFiles, EXECUTABLE } from "../../mod/cli/install_files.ts";
import { cannotBoot, Machine } from "./machine.ts";
import { UNIT, WIREGUARD_GO_UNIT } from "./service.ts";

/**
 * `systemd-analyze security`: 0 is a sandbox that lets nothing through, 10 none.
 * In tenths, at most; what is left is root, the network, and V8's compiling.
 */
const EXPOSURE: Readonly<Record<string, number>> = {
  [UNIT]: 21,
  [WIREGUARD_GO_UNIT]: 20,
};

const NAME = "systemd finds no fault with the units";

Deno.test({
  name: NAME,
  ignore: cannotBoot(NAME),
  fn: async (context) => {
    await using machine = await Machine.boot({
      prepare: async (machine) => {
        await machine.write(EXECUTABLE, "#!/bin/sh\n", 0o755);
        for (
          const { target, text, mode } of deployedFiles({
            executable: EXECUTABLE,
          })
        ) {
          await machine.write(target, text, mode);
        }
      },
    });
    for (const unit of [UNIT, WIREGUARD_GO_UNIT]) {
      const path = `/etc/systemd/system/${unit}`;
      await context.step(
        `systemd-analyze verify has no word about ${unit}`,
        async () => {
          const { code, stdout, stderr } = await machine.run([
            ...["systemd-analyze", "verify", "--recursive-errors=yes", path],
          ]);
          assert.deepEqual([code, stdout + stderr], [0, ""]);
        },
      );
      await context.step(
        `systemd-analyze security is content with ${unit}`,
        async () => {
          const threshold = EXPOSURE[unit] ?? 0;
          const rate = async (limit: number): Promise<string> => {
            const { code, stdout, stderr } = await machine.run([
              ...["systemd-analyze", "security", "--offline=yes", "--no-pager"],
              ...[`--threshold=${limit}`, path],
            ]);
            const [, rating = stderr] =
              /Overall exposure.*: ([\d.]+)/.exec(stdout) ?? [];
            return `${code} ${rating}`;
          };
          const exposure = (threshold / 10).toFixed(1);
          assert.equal(await rate(threshold), `0 ${exposure}`);
          assert.equal(await rate(threshold - 1), `1 ${exposure}`);
        },
      );
    }
    await context.step(
      "the files beside the units are read without complaint",
      async () => {
        await machine.sh(
          "systemd-tmpfiles --create /etc/tmpfiles.d/clusternet.conf",
        );
        await machine.sh(
          "/usr/lib/systemd/systemd-sysctl /etc/sysctl.d/90-clusternet.conf",
        );
        const lines = await machine.must([
          "journalctl",
          "--no-pager",
          "--output=cat",
          "--boot",
        ]);
        const complaints = lines.split("\n").filter((line) =>
          /clusternet/.test(line) &&
          /ignoring|unknown|failed|invalid/i.test(line)
        );
        assert.deepEqual(complaints, []);
      },
    );
    await context.step(
      "wireguard-go is started where the kernel has no WireGuard, and it is installed",
      async () => {
        const start = async (): Promise<string> => {
          await machine.must(["systemctl", "start", WIREGUARD_GO_UNIT]);
          const { ActiveState = "" } = await machine.show(WIREGUARD_GO_UNIT, [
            "ActiveState",
          ]);
          await machine.must(["systemctl", "stop", WIREGUARD_GO_UNIT]);
          return ActiveState;
        };
        // The container's /sys is a tmpfs of nspawn's.
        const module = "/sys/module/wireguard";
        assert.equal(await start(), "active");
        await machine.sh(`mount -o remount,rw /sys; mkdir -p ${module}`);
        assert.equal(await start(), "inactive");
        await machine.sh(`rmdir ${module}; chmod -x /usr/bin/wireguard-go`);
        assert.equal(await start(), "inactive");
      },
    );
  },
});

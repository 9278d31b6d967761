/**
 * `clusternet install` and `uninstall` under a real systemd, with the one file
 * that is built: from nothing to a service that is ready, over upgrades without a
 * lost packet, to a machine that knows nothing of it any more.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  deployedFiles,
  ENV_FILE,
  EXECUTABLE,
} from "../../mod/cli/install_files.ts";
import type { RunResult } from "../lab/exec.ts";
import type { Machine } from "./machine.ts";
import {
  KUBECONFIG,
  losesNothingBothWays,
  type Service,
  serviceTest,
  settled,
  tunnels,
  UNIT,
} from "./service.ts";

const BUILT = fileURLToPath(
  new URL("../../.build/bundled/clusternet", import.meta.url),
);

/** Where an admin puts a download. */
const DOWNLOAD = "/root/clusternet";
const NEWER = "/root/clusternet-newer";

const UNIT_FILE = `/etc/systemd/system/${UNIT}`;
/** Where its sandbox does not let the agent write by itself. */
const CONFLIST = "/opt/cni/net.d/10-clusternet.conflist";
const RECORD = "/var/lib/clusternet/installed.json";
const KEY = "/var/lib/clusternet/private.key";

const FILES = deployedFiles({ executable: EXECUTABLE })
  .map(({ target }) => target);

serviceTest(
  "clusternet install",
  { enabled: false, without: FILES },
  async (service) => {
    const { machine } = service;
    await putDownloads(machine);
    await installs(service);
    await upgrades(service);
    await uninstalls(service);
  },
);

/** Nothing of it is on the machine, and two versions lie in its root's home. */
async function putDownloads(machine: Machine): Promise<void> {
  await machine.copyIn(BUILT, DOWNLOAD);
  // Bytes 9 to 15 of an ELF file mean nothing (elf(5), EI_PAD).
  await machine.sh(`rm ${EXECUTABLE}
    cp ${DOWNLOAD} ${NEWER}
    mkdir -p /opt/cni/net.d
    printf x | dd of=${NEWER} bs=1 seek=15 conv=notrunc status=none`);
}

async function installs(service: Service): Promise<void> {
  const { claim, lab, machine, node } = service;
  const flags = [
    ...["--node-name", node.name, "--kubeconfig", KUBECONFIG],
    ...["--cni-conf-file", CONFLIST],
    ...["--cluster-cidr", lab.settings.plan.clusterCidrs.join(",")],
  ];

  await claim("a dry run changes nothing", async () => {
    // It unpacks its runtime whatever it is started for.
    await machine.must([DOWNLOAD, "version"]);
    const before = await state(machine);
    succeeded(
      await clusternet(machine, [DOWNLOAD, "install", "--dry-run", ...flags]),
    );
    assert.equal(await state(machine), before);
  });

  await claim("brings the service to be ready, and enables it", async () => {
    const said = succeeded(
      await clusternet(machine, [DOWNLOAD, "install", ...flags]),
    );
    assert.match(said, /^clusternet\.service is active: /m);
    await settled(service);
    const { ActiveState, UnitFileState } = await machine.show(UNIT, [
      ...["ActiveState", "UnitFileState"],
    ]);
    assert.deepEqual([ActiveState, UnitFileState], ["active", "enabled"]);
    await machine.sh(`grep -q ptp ${CONFLIST}`);
  });

  await claim("done again does nothing, and restarts nothing", async () => {
    const before = await mainPid(machine);
    const said = succeeded(await clusternet(machine, [EXECUTABLE, "install"]));
    assert.match(said, /is installed already: nothing to do\n.* is active: OK/);
    assert.equal(await mainPid(machine), before);
  });

  await claim("starts again what somebody stopped", async () => {
    await machine.must(["systemctl", "disable", "--now", UNIT]);
    succeeded(await clusternet(machine, [EXECUTABLE, "install"]));
    const { ActiveState, UnitFileState } = await machine.show(UNIT, [
      ...["ActiveState", "UnitFileState"],
    ]);
    assert.deepEqual([ActiveState, UnitFileState], ["active", "enabled"]);
    await settled(service);
  });
}

async function upgrades(service: Service): Promise<void> {
  const { claim, machine } = service;

  await claim("an upgrade loses no packet and keeps the key", async () => {
    const before = await keyAndTunnels(service);
    const pid = await mainPid(machine);
    await losesNothingBothWays(service, async () => {
      const said = succeeded(await clusternet(machine, [NEWER, "install"]));
      assert.match(said, /^replace \/usr\/local\/bin\/clusternet /m);
      await settled(service);
    });
    assert.notEqual(await mainPid(machine), pid);
    await machine.must(["cmp", NEWER, EXECUTABLE]);
    assert.equal(await keyAndTunnels(service), before);
  });

  await claim(
    "an upgrade that was cut off before the restart is finished",
    async () => {
      const pid = await mainPid(machine);
      await machine.sh(
        `sed -i 's/"complete": true/"complete": false/' ${RECORD}`,
      );
      const said = succeeded(
        await clusternet(machine, [EXECUTABLE, "install"]),
      );
      assert.match(said, /^systemctl daemon-reload$/m);
      assert.notEqual(await mainPid(machine), pid);
      await settled(service);
    },
  );

  await claim(
    "an executable that somebody put there by hand is started",
    async () => {
      const pid = await mainPid(machine);
      await machine.sh(`cp ${DOWNLOAD} /root/x; mv /root/x ${EXECUTABLE}`);
      succeeded(await clusternet(machine, [EXECUTABLE, "install"]));
      assert.notEqual(await mainPid(machine), pid);
      succeeded(await clusternet(machine, [NEWER, "install"]));
      await settled(service);
    },
  );

  await claim("a changed unit is refused, and goes on running", async () => {
    const pid = await mainPid(machine);
    await machine.sh(`echo '# mine' >> ${UNIT_FILE}`);
    const { code, stderr } = await clusternet(machine, [DOWNLOAD, "install"]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^clusternet: Cannot replace [^\n]+changed it[^\n]+\n$/,
    );
    assert.equal(await mainPid(machine), pid);
    await machine.sh(`sed -i '/^# mine$/d' ${UNIT_FILE}`);
  });

  await claim(
    "going back to the older one loses no packet either",
    async () => {
      const before = await keyAndTunnels(service);
      await losesNothingBothWays(service, async () => {
        succeeded(await clusternet(machine, [DOWNLOAD, "install"]));
        await settled(service);
      });
      await machine.must(["cmp", DOWNLOAD, EXECUTABLE]);
      assert.equal(await keyAndTunnels(service), before);
    },
  );

  await claim(
    "a service that cannot start is told with its reason",
    async () => {
      await machine.sh(`echo CLUSTERNET_MTU=many >> ${ENV_FILE}`);
      const { code, stderr } = await clusternet(machine, [NEWER, "install"]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^clusternet: The files are in place, but clusternet\.service is failing \(.*MTU.*\); [^\n]+\n$/,
      );
      await machine.sh(`sed -i /MTU=many/d ${ENV_FILE}`);
      await machine.must(["systemctl", "restart", UNIT]);
      await settled(service);
    },
  );
}

async function uninstalls(service: Service): Promise<void> {
  const { claim, machine } = service;

  await claim(
    "uninstall takes the service, and no packet is lost",
    async () => {
      const before = await keyAndTunnels(service);
      await losesNothingBothWays(service, async () => {
        const said = succeeded(
          await clusternet(machine, [EXECUTABLE, "uninstall"]),
        );
        assert.match(said, /^ {2}ip link del clusternet$/m);
      });
      const { LoadState, ActiveState } = await machine.show(UNIT, [
        ...["LoadState", "ActiveState"],
      ]);
      assert.deepEqual([LoadState, ActiveState], ["not-found", "inactive"]);
      await machine.sh(`test ! -e ${EXECUTABLE}; test -e ${ENV_FILE}`);
      assert.equal(await keyAndTunnels(service), before);
    },
  );

  await claim("installed again it is the same node as before", async () => {
    const before = await keyAndTunnels(service);
    succeeded(await clusternet(machine, [DOWNLOAD, "install"]));
    await settled(service);
    assert.equal(await keyAndTunnels(service), before);
  });

  await claim("purge leaves nothing at all", async () => {
    succeeded(
      await clusternet(machine, [EXECUTABLE, "uninstall", "--purge", "--yes"]),
    );
    assert.equal(await state(machine), "");
    const { LoadState } = await machine.show(UNIT, ["LoadState"]);
    assert.equal(LoadState, "not-found");
    const failed = ["systemctl", "--failed", "--plain", "--no-legend"];
    assert.equal(await machine.must(failed), "");
  });
}

/** All that bears our name or mark: files, links, routes. */
function state(machine: Machine): Promise<string> {
  return machine.sh(
    `find /etc /opt /usr /var/lib /run -xdev -name '*clusternet*' -not -path '/run/systemd/*' | sort
     ip -o link show | grep clusternet || :
     ip route show proto 78; ip -6 route show proto 78`,
  );
}

async function keyAndTunnels(service: Service): Promise<string> {
  const key = await service.machine.must(["sha256sum", KEY]);
  const address = await service.machine.must([
    ...["ip", "-o", "address", "show", "dev", "clusternet"],
  ]);
  return `${key}${address}${await tunnels(service)}`;
}

/** Without the variables of who runs the test that Deno would heed. */
function clusternet(
  machine: Machine,
  command: readonly string[],
): Promise<RunResult> {
  return machine.run(["env", "-u", "NODE_EXTRA_CA_CERTS", ...command]);
}

async function mainPid(machine: Machine): Promise<string | undefined> {
  return (await machine.show(UNIT, ["MainPID"])).MainPID;
}

function succeeded({ code, stdout, stderr }: RunResult): string {
  assert.equal(code, 0, stdout + stderr);
  assert.equal(stderr, "");
  return stdout;
}

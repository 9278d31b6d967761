/**
 * The Debian package on a machine with a real systemd, by dpkg, as an
 * administrator would: installed, upgraded under traffic, removed, purged.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { outputFolder } from "../../deploy/build.ts";
import { makeDeb } from "../../deploy/deb.ts";
import { EXECUTABLE } from "../../deploy/deb_files.ts";
import {
  deployedFiles,
  EXECUTABLE as INSTALLED,
} from "../../mod/cli/install_files.ts";
import { VERSION } from "../../mod/core/version.ts";
import { eventually } from "../lab/harness.ts";
import { tempDir } from "../support/temp_dir.ts";
import {
  active,
  bring,
  configure,
  dpkg,
  enabled,
  isActive,
  KEY,
  lasting,
  mainPid,
  networkConditions,
  packageState,
} from "./package.ts";
import {
  KUBECONFIG,
  losesNothingBothWays,
  type Service,
  serviceTest,
  settled,
  UNIT,
} from "./service.ts";

const NEWER = "99.0.0";

const BUILT = join(outputFolder(Deno.build.arch), "clusternet");

const NOTHING_DEPLOYED = {
  enabled: false,
  settled: false,
  without: deployedFiles({ executable: INSTALLED }).map(({ target }) => target),
};

serviceTest(
  "the package installs, upgrades without a packet lost, goes and comes again",
  NOTHING_DEPLOYED,
  async (service) => {
    const { claim, machine } = service;
    await using dir = await tempDir();
    const packages = {
      target: Deno.build.arch,
      compressed: false,
      output: dir.path,
    };
    const now = await bring(machine, await makeDeb(packages));
    const newer = await bring(
      machine,
      await makeDeb({ ...packages, version: NEWER }),
    );
    await claim("installing starts the service, and enables it", async () => {
      await installs(service, now);
    });
    await claim("an upgrade restarts the agent, and loses no packet", () => {
      return replaces(service, { deb: newer, version: NEWER });
    });
    await claim("so does the way back", () => {
      return replaces(service, { deb: now, version: VERSION });
    });
    await claim("an API server that is away holds up no upgrade", () => {
      return upgradesAlone(service, newer);
    });
    await claim("in a chroot nothing starts, and nothing is taken away", () => {
      return staysInside(service, now);
    });
    await claim(
      "what an administrator has stopped or disabled stays so",
      () => {
        return staysOff(service, newer);
      },
    );
    await claim("removal ends the agent, and nothing else", async () => {
      await removes(service);
    });
    await claim("installed again, it is the node that it was", async () => {
      const before = await machine.must(["cat", KEY]);
      await dpkg(machine, ["--install", newer]);
      await settled(service);
      assert.equal(await machine.must(["cat", KEY]), before);
    });
    await claim(
      "purging takes nothing from an agent that runs otherwise",
      () => {
        return sparesOthers(service, now);
      },
    );
    await claim("purging takes what is clusternet's, and nothing else", () => {
      return purges(service);
    });
    await claim("it takes over from clusternet install", () => {
      return takesOver(service, now);
    });
  },
);

async function installs(service: Service, deb: string): Promise<void> {
  const { machine } = service;
  // What `serviceTest` has put there is not the package's.
  await machine.must(["rm", INSTALLED]);
  await dpkg(machine, ["--install", deb]);
  assert.equal(await enabled(machine, UNIT), "enabled");
  await active(machine);
  // The host's name is no Node's: the agent waits, and says so.
  await configure(service);
  await settled(service);
  const said = await machine.must([EXECUTABLE, "version"]);
  assert.match(said, new RegExp(`^clusternet ${VERSION} .*build bundled`));
  const { FragmentPath, ExecStart } = await machine.show(UNIT, [
    "FragmentPath",
    "ExecStart",
  ]);
  assert.equal(FragmentPath, `/usr/lib/systemd/system/${UNIT}`);
  assert.match(ExecStart ?? "", new RegExp(`path=${EXECUTABLE} `));
  await machine.sh("test ! -e /var/lib/clusternet/runtime");
}

async function replaces(
  service: Service,
  { deb, version }: { readonly deb: string; readonly version: string },
): Promise<void> {
  const { machine } = service;
  const before = await lasting(service);
  const agent = await mainPid(machine, UNIT);
  await losesNothingBothWays(service, async () => {
    await dpkg(machine, ["--install", deb]);
    await eventually("another agent is ready", async () => {
      const pid = await mainPid(machine, UNIT);
      return pid !== agent && pid !== "0" && await isActive(machine, UNIT)
        ? true
        : undefined;
    }, 30_000);
    await settled(service);
  });
  assert.deepEqual(await lasting(service), before);
  assert.equal(await packageState(machine), `install ok installed ${version}`);
}

async function upgradesAlone(service: Service, deb: string): Promise<void> {
  const { lab, machine } = service;
  const before = await lasting(service);
  const agent = await mainPid(machine, UNIT);
  await losesNothingBothWays(service, async () => {
    await lab.api.goDown();
    await dpkg(machine, ["--install", deb]);
    await eventually("the new agent has started", async () => {
      const pid = await mainPid(machine, UNIT);
      return pid !== agent && pid !== "0" ? true : undefined;
    }, 10_000);
    await lab.api.comeBack();
    await settled(service);
  });
  assert.deepEqual(await lasting(service), before);
}

/** As where an image is made: the disk, without a systemd that runs. */
async function staysInside(service: Service, deb: string): Promise<void> {
  const { machine } = service;
  const before = await lasting(service);
  const agent = await mainPid(machine, UNIT);
  await machine.sh(`
mkdir /root/over
unshare --mount sh -eu <<'END'
cd /root
mount -t tmpfs tmpfs over
mkdir over/upper over/work over/tree
mount -t overlay -o lowerdir=/,upperdir=over/upper,workdir=over/work overlay over/tree
mount -t proc proc over/tree/proc
mount --rbind /sys over/tree/sys
chroot over/tree dpkg --purge clusternet
umount over/tree/proc
chroot over/tree dpkg --install ${deb}
test -L over/tree/etc/systemd/system/multi-user.target.wants/${UNIT}
chroot over/tree dpkg --purge clusternet
test ! -e over/tree/var/lib/clusternet
END
rmdir /root/over`);
  assert.deepEqual(await lasting(service), before);
  assert.equal(await mainPid(machine, UNIT), agent);
}

async function staysOff(service: Service, deb: string): Promise<void> {
  const { machine } = service;
  await machine.must(["systemctl", "disable", "--now", UNIT]);
  await dpkg(machine, ["--install", deb]);
  assert.equal(await enabled(machine, UNIT), "disabled");
  assert.equal(await isActive(machine, UNIT), false);
  await machine.must(["systemctl", "enable", "--now", UNIT]);
  await settled(service);
}

async function removes(service: Service): Promise<void> {
  const { machine } = service;
  const before = await lasting(service);
  assert.deepEqual(await networkConditions(service), ["False"]);
  await losesNothingBothWays(service, async () => {
    await dpkg(machine, ["--remove", "clusternet"]);
  });
  assert.deepEqual(await lasting(service), before);
  assert.deepEqual(await networkConditions(service), []);
  assert.equal(await isActive(machine, UNIT), false);
  assert.match(await packageState(machine), /^deinstall ok config-files /);
  await machine.sh(`test ! -e ${EXECUTABLE}; test ! -e /usr/lib/clusternet`);
}

/** The one file was there before, with files in /etc that go before the package's. */
async function takesOver(service: Service, deb: string): Promise<void> {
  const { machine, node } = service;
  await machine.must([
    ...["/root/clusternet", "install", "--node-name", node.name],
  ]);
  await settled(service);
  const before = await lasting(service);
  await losesNothingBothWays(service, async () => {
    const { stderr } = await machine.run([
      ...["dpkg", "--force-confold", "--install", deb],
    ], { env: { DEBIAN_FRONTEND: "noninteractive" } });
    assert.match(
      stderr,
      /\/etc\/systemd\/system\/clusternet\.service goes before/,
    );
    await machine.must([INSTALLED, "uninstall"]);
    await eventually("the package's program runs", async () => {
      const pid = await mainPid(machine, UNIT);
      const { stdout } = await machine.run(["cat", `/proc/${pid}/cmdline`]);
      return stdout.includes("/usr/lib/clusternet/clusternet.runtime/") &&
          await isActive(machine, UNIT)
        ? true
        : undefined;
    }, 30_000);
    await settled(service);
  });
  assert.deepEqual(await lasting(service), before);
  assert.equal(await enabled(machine, UNIT), "enabled");
  await machine.sh(`test ! -e ${INSTALLED}`);
}

/** As when a DaemonSet follows the package. */
async function sparesOthers(service: Service, deb: string): Promise<void> {
  const { machine, node } = service;
  await dpkg(machine, ["--remove", "clusternet"]);
  const before = await lasting(service);
  await machine.copyIn(BUILT, "/root/clusternet");
  await machine.must([
    ...["systemd-run", "--quiet", "--unit=another", "--property=Type=notify"],
    ...["/root/clusternet", "--runtime-dir", "/root/runtime", "run"],
    ...["--node-name", node.name, "--kubeconfig", KUBECONFIG],
  ]);
  await losesNothingBothWays(service, async () => {
    await dpkg(machine, ["--purge", "clusternet"]);
  });
  const { variables: _, ...after } = await lasting(service);
  assert.deepEqual({ ...after, variables: before.variables }, before);
  await machine.must(["systemctl", "stop", "another"]);
  await machine.must(["rm", "-r", "/root/runtime"]);
  await dpkg(machine, ["--install", deb]);
  await configure(service);
  await settled(service);
}

async function purges({ machine }: Service): Promise<void> {
  await machine.sh(`
echo keep > /var/lib/clusternet/notes
echo '{}' > /etc/cni/net.d/99-other.conflist
ip link add alien0 type bridge
ip link set alien0 up
ip route add 192.0.2.0/24 dev alien0 proto 79
ip route add unreachable 198.51.100.0/24 proto 79`);
  await dpkg(machine, ["--purge", "clusternet"]);
  assert.equal(await packageState(machine), "");
  const left = await machine.sh(`
ip -o link show | grep clusternet || true
ip route show table all proto 78
ip -6 route show table all proto 78
nft list tables
pgrep -l 'clusternet|wireguard-go' || true
find / -xdev -name '*clusternet*' -not -path '/proc/*' -not -path '/sys/*' \\
  -not -path '/root/*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/*'
find /run -name '*clusternet*' -not -path '/run/log/*'`);
  assert.equal(left, "/var/lib/clusternet\n");
  assert.equal(
    await machine.sh("ls -A /var/lib/clusternet /etc/cni/net.d"),
    "/etc/cni/net.d:\n99-other.conflist\n\n/var/lib/clusternet:\nnotes\n",
  );
  assert.equal(
    (await machine.sh("ip route show proto 79 | wc -l")).trim(),
    "2",
    "somebody else's routes",
  );
  await machine.sh("rm /var/lib/clusternet/notes; ip link delete alien0");
}

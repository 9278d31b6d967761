/**
 * `clusternet install` and `uninstall` in a tree of files: all that needs neither
 * root nor systemd.
 *
 * @module
 */

import assert from "node:assert/strict";
import { deployedFiles } from "../../mod/cli/install_files.ts";
import type { RunResult } from "../lab/exec.ts";
import { Tree } from "./install_tree.ts";

const BINARY = "/usr/local/bin/clusternet";
const UNIT = "/etc/systemd/system/clusternet.service";
const PACKAGED_UNIT = "/usr/lib/systemd/system/clusternet.service";
const ENV = "/etc/clusternet/clusternet.env";
const RECORD = "/var/lib/clusternet/installed.json";

function succeeded({ code, stdout, stderr }: RunResult): string {
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  return stdout;
}

/** One sentence, and nothing on standard output. */
function refused(
  { code, stdout, stderr }: RunResult,
  expected: RegExp,
  exitCode = 1,
): void {
  assert.match(stderr, expected);
  assert.match(stderr, /^clusternet: [^\n]+\n$/);
  assert.equal(stdout, "");
  assert.equal(code, exitCode);
}

Deno.test("install writes each file of the table, and says so", async () => {
  await using tree = await Tree.make();
  const said = succeeded(await tree.install());
  for (const file of deployedFiles({ executable: BINARY })) {
    assert.equal(await tree.read(file.target), file.text);
    const mode = (await Deno.stat(tree.path(file.target))).mode ?? 0;
    assert.equal(mode & 0o7777, file.mode);
    const bytes = new TextEncoder().encode(file.text).length;
    assert(said.includes(`write ${file.target} (${bytes} bytes)\n`), said);
  }
  assert.equal(await tree.read(BINARY), "one");
  assert.equal(((await Deno.stat(tree.path(BINARY))).mode ?? 0) & 0o777, 0o755);
  const left = Object.keys(tree.look()).filter((path) => /-new$/.test(path));
  assert.deepEqual(left, []);
});

Deno.test("a dry run says what install says, and changes nothing", async () => {
  await using tree = await Tree.make();
  const actions = (text: string): readonly string[] =>
    text.split("\n").filter((line) =>
      /^(write|replace|cp|rm|rmdir|chmod|systemctl) /.test(line)
    );
  const dry = actions(succeeded(await tree.install("--dry-run")));
  assert.deepEqual(tree.look(), {});
  assert.deepEqual(actions(succeeded(await tree.install())), dry);
  const before = tree.look();
  const dryEnd = actions(succeeded(await tree.uninstall("--dry-run")));
  assert.deepEqual(tree.look(), before);
  assert.deepEqual(actions(succeeded(await tree.uninstall())), dryEnd);
});

Deno.test("a second install does nothing, and says so", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  const before = tree.look();
  const said = succeeded(await tree.install());
  assert.match(said, /is installed already: nothing to do/);
  assert.deepEqual(tree.look(), before);
});

Deno.test("a newer executable replaces the older one, even while that runs", async () => {
  await using tree = await Tree.make();
  await Deno.copyFile("/bin/sleep", tree.executable);
  succeeded(await tree.install());
  const old = new Deno.Command(tree.path(BINARY), { args: ["60"] }).spawn();
  try {
    await tree.build("two");
    const said = succeeded(await tree.install());
    assert.match(said, /^replace \/usr\/local\/bin\/clusternet \(3 bytes\)$/m);
    assert.equal(await tree.read(BINARY), "two");
  } finally {
    old.kill("SIGKILL");
    await old.status;
  }
});

Deno.test("what somebody changed is refused by name, and nothing is done", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  await tree.build("two");
  await tree.write(UNIT, "mine");
  const before = tree.look();
  refused(
    await tree.install(),
    /Cannot replace .*clusternet\.service: somebody has changed it/,
  );
  assert.deepEqual(tree.look(), before);
});

Deno.test("with --force what somebody changed is replaced, and a copy kept", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  for (const [text, copy] of [["mine", "bak"], ["again", "bak.2"]]) {
    await tree.write(UNIT, text ?? "");
    const said = succeeded(await tree.install("--force"));
    assert(said.includes(`cp ${UNIT} ${UNIT}.${copy}\n`), said);
    assert.equal(await tree.read(`${UNIT}.${copy}`), text);
    assert.notEqual(await tree.read(UNIT), text);
  }
});

Deno.test("a link in the place of a file is refused, --force or not", async () => {
  for (const force of [[], ["--force"]]) {
    await using tree = await Tree.make();
    await Deno.mkdir(tree.path("/etc/systemd/system"), { recursive: true });
    await Deno.symlink("/dev/null", tree.path(UNIT));
    const before = tree.look();
    refused(
      await tree.install(...force),
      /a link to \/dev\/null is in its place/,
    );
    assert.deepEqual(tree.look(), before);
  }
});

Deno.test("flags of run go into the file of variables", async () => {
  await using tree = await Tree.make();
  const flags = [
    ...["--cluster-cidr", "10.1.0.0/16", "--cluster-cidr", "fd00::/48"],
    ...["--kubeconfig", "/etc/my kube.conf"],
  ];
  succeeded(await tree.install(...flags));
  const text = await tree.read(ENV);
  assert.match(text, /^CLUSTERNET_CLUSTER_CIDR=10\.1\.0\.0\/16,fd00::\/48$/m);
  assert.match(text, /^CLUSTERNET_KUBECONFIG="\/etc\/my kube\.conf"$/m);
  for (const again of [flags, []]) {
    const said = succeeded(await tree.install(...again));
    assert.match(said, /nothing to do/);
  }
  refused(
    await tree.install("--cluster-cidr", "10.2.0.0/16"),
    /Cannot set CLUSTERNET_CLUSTER_CIDR=10\.2\.0\.0\/16: .* is yours since it is there/,
  );
});

Deno.test("another link is the one that the network managers leave alone, now and later", async () => {
  await using tree = await Tree.make();
  const names = async (): Promise<readonly string[]> => {
    const files = [
      "/etc/systemd/network/10-clusternet.network",
      "/etc/NetworkManager/conf.d/10-clusternet.conf",
    ];
    const texts = await Promise.all(files.map((file) => tree.read(file)));
    return texts.map((text) => /[=:](\w+)$/m.exec(text)?.[1] ?? "");
  };
  succeeded(await tree.install("--interface", "wg7"));
  assert.deepEqual(await names(), ["wg7", "wg7"]);
  assert.match(succeeded(await tree.install()), /nothing to do/);
  await tree.write(ENV, "CLUSTERNET_INTERFACE=wg8\n");
  succeeded(await tree.install());
  assert.deepEqual(await names(), ["wg8", "wg8"]);
});

Deno.test("a place where the agent writes is let into its sandbox, and goes with the unit", async () => {
  await using tree = await Tree.make();
  const dropIn = `${UNIT}.d/10-paths.conf`;
  const flags = ["--cni-conf-file", "/opt/cni/net.d/10-clusternet.conflist"];
  succeeded(await tree.install(...flags));
  assert.match(
    await tree.read(dropIn),
    /^ReadWritePaths="-\/opt\/cni\/net\.d"$/m,
  );
  await tree.write(ENV, "");
  assert(succeeded(await tree.install()).includes(`rm ${dropIn}\n`));
});

Deno.test("of two installs at once the second has nothing to do", async () => {
  await using tree = await Tree.make();
  const said = (await Promise.all([tree.install(), tree.install()]))
    .map(succeeded);
  const idle = said.filter((text) => text.includes("nothing to do"));
  assert.equal(idle.length, 1, said.join("\n"));
});

Deno.test("flags that run would refuse are refused before anything is written", async () => {
  await using tree = await Tree.make();
  const rows: readonly [readonly string[], RegExp][] = [
    [["--cluster-cidr", "10.0.0.1/16"], /has host bits; write 10\.0\.0\.0\/16/],
    [["--listen-port", "0"], /Cannot use --listen-port 0/],
    [["--once"], /Unknown flag --once/],
    [
      ["--kubeconfig", "/root/kc"],
      /--kubeconfig \/root\/kc: the service does not see \/root/,
    ],
    [["--dryrun"], /did you mean --dry-run\?/],
    [["--prefix", "usr"], /Cannot use --prefix usr: give the whole path/],
    [["--prefix", "/my dir"], /Cannot use --prefix \/my dir: units can name/],
    [["now"], /Unexpected argument "now"/],
  ];
  for (const [args, sentence] of rows) {
    refused(await tree.install(...args), sentence, 2);
  }
  assert.deepEqual(tree.look(), {});
});

Deno.test("the admin's configuration is never overwritten, --force or not", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  await tree.write(ENV, "CLUSTERNET_MTU=1400\n");
  await tree.build("two");
  const said = succeeded(await tree.install("--force"));
  assert(said.includes(`${ENV} stays as it is: it is your configuration\n`));
  assert.equal(await tree.read(ENV), "CLUSTERNET_MTU=1400\n");
});

Deno.test("--prefix is where the executable goes, and where the units look for it", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install("--prefix", "/opt/clusternet/"));
  assert.equal(await tree.read("/opt/clusternet/bin/clusternet"), "one");
  assert.match(
    await tree.read(UNIT),
    /^ExecStart=\/opt\/clusternet\/bin\/clusternet run$/m,
  );
});

Deno.test("the record of a newer clusternet is refused, and stays", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  await tree.write(RECORD, '{ "format": 7 }');
  const before = tree.look();
  for (const command of [tree.install(), tree.uninstall()]) {
    refused(await command, /installed\.json: it is of format 7/);
  }
  assert.deepEqual(tree.look(), before);
});

Deno.test("a link that leads out of the tree is refused", async () => {
  await using tree = await Tree.make();
  await using elsewhere = await Tree.make();
  await Deno.symlink(elsewhere.root, tree.path("/etc"));
  refused(await tree.install(), /leads to .*, outside of it/);
  assert.deepEqual(elsewhere.look(), {});
});

Deno.test("where a package has installed it, install and uninstall keep their hands off", async () => {
  await using tree = await Tree.make();
  await addPackage(tree);
  const before = tree.look();
  for (const command of [tree.install(), tree.uninstall("--purge", "--yes")]) {
    refused(await command, /a package has installed it .* with apt or dpkg/);
  }
  assert.deepEqual(tree.look(), before);
});

Deno.test("what was installed beside a package can go, and leaves the package's", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  await addPackage(tree);
  refused(await tree.install(), /a package has installed it/);
  const said = succeeded(await tree.uninstall());
  assert.match(said, /^rm \/etc\/systemd\/system\/clusternet\.service$/m);
  assert.doesNotMatch(said, /disable/);
  await Deno.stat(tree.path(PACKAGED_UNIT));
});

async function addPackage(tree: Tree): Promise<void> {
  await Deno.mkdir(tree.path("/usr/lib/systemd/system"), { recursive: true });
  await tree.write(PACKAGED_UNIT, "");
}

Deno.test("an executable that is not whole is not installed", async () => {
  await using tree = await Tree.make();
  await Deno.mkdir(`${tree.executable}.runtime`);
  refused(
    await tree.install(),
    /not whole without .*\.runtime; take the one file/,
  );
});

Deno.test("a tree that is not there is refused", async () => {
  await using tree = await Tree.make();
  await Deno.remove(tree.root);
  refused(await tree.install(), /Cannot work in .*\/root: it is not there/);
});

Deno.test("uninstall leaves the tree as it was, but for the configuration", async () => {
  await using tree = await Tree.make();
  await Deno.mkdir(tree.path("/etc/sysctl.d"), { recursive: true });
  succeeded(await tree.install("--cluster-cidr", "10.1.0.0/16"));
  const said = succeeded(await tree.uninstall());
  assert(said.includes(`${ENV} stays: it is your configuration\n`), said);
  const left = Object.keys(tree.look()).filter((path) => !path.endsWith("/"));
  assert.deepEqual(left, [ENV, RECORD]);
  succeeded(await tree.install());
  assert.match(await tree.read(ENV), /^CLUSTERNET_CLUSTER_CIDR=10\.1/m);
  succeeded(await tree.uninstall("--purge", "--yes"));
  // systemctl keeps the directory of the link by which it enabled the unit.
  const rest = Object.keys(tree.look()).filter((path) =>
    !path.startsWith("/etc/systemd/")
  );
  assert.deepEqual(rest, ["/etc/", "/etc/sysctl.d/"]);
});

Deno.test("uninstall keeps what somebody changed, by name, until --force", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  await tree.write(UNIT, "mine");
  const said = succeeded(await tree.uninstall());
  assert(said.includes(`${UNIT} stays: somebody has changed it\n`), said);
  assert.equal(await tree.read(UNIT), "mine");
  succeeded(await tree.uninstall("--force", "--purge", "--yes"));
  assert.deepEqual(tree.look(), {});
});

Deno.test("uninstall of what was never installed says so", async () => {
  await using tree = await Tree.make();
  refused(await tree.uninstall(), /`clusternet install` has not put it here/);
});

Deno.test("--purge without a terminal and without --yes is refused", async () => {
  await using tree = await Tree.make();
  succeeded(await tree.install());
  const before = tree.look();
  refused(
    await tree.uninstall("--purge"),
    /this is no terminal; .* give --yes/,
  );
  assert.deepEqual(tree.look(), before);
});

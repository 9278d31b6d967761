import assert from "node:assert/strict";
import { CniDirectories } from "../../mod/sys/cni_directories.ts";
import { NOTHING_FOUND } from "../../mod/core/cni_check.ts";
import { tempDir } from "../support/temp_dir.ts";

const PLUGINS = ["ptp", "host-local"];

interface Tree {
  readonly path: string;
  /** A file of these permissions, in a directory that is made. */
  put(name: string, text?: string, mode?: number): Promise<void>;
  look(
    binDirs?: readonly string[],
  ): ReturnType<CniDirectories["look"]>;
}

function test(name: string, body: (tree: Tree) => Promise<void>): void {
  Deno.test(name, async () => {
    await using dir = await tempDir();
    const { path } = dir;
    await body({
      path,
      async put(name, text = "", mode = 0o644): Promise<void> {
        const file = `${path}/${name}`;
        await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), {
          recursive: true,
        });
        await Deno.writeTextFile(file, text);
        await Deno.chmod(file, mode);
      },
      look: (binDirs = ["opt", "lib"]) =>
        new CniDirectories({ inPod: false }).look({
          file: `${path}/net.d/10-clusternet.conflist`,
          plugins: PLUGINS,
          binDirs: binDirs.map((each) => `${path}/${each}`),
          leases: `${path}/leases`,
        }),
    });
  });
}

test("look() finds a plugin in any of the directories, by a link too", async (tree) => {
  assert.deepEqual((await tree.look()).missing, PLUGINS);
  await tree.put("lib/ptp", "", 0o755);
  assert.deepEqual((await tree.look()).missing, ["host-local"]);
  await tree.put("opt/other/host-local", "", 0o755);
  await Deno.symlink("other/host-local", `${tree.path}/opt/host-local`);
  assert.deepEqual(await tree.look(), NOTHING_FOUND);
  await Deno.remove(`${tree.path}/opt/other/host-local`);
  assert.deepEqual((await tree.look()).missing, ["host-local"]);
});

test("look() takes no directory, and nothing that cannot be run, for a plugin", async (tree) => {
  await tree.put("opt/ptp", "", 0o644);
  await tree.put("opt/host-local/x");
  assert.deepEqual((await tree.look()).missing, PLUGINS);
});

test("look() looks for no plugin where no directory is named", async (tree) => {
  assert.deepEqual((await tree.look([])).missing, []);
});

test("look() knows by an address in use that plugins have worked", async (tree) => {
  await tree.put("leases/lock");
  await tree.put("leases/last_reserved_ip.0", "10.0.1.2");
  assert.equal((await tree.look()).used, false);
  await tree.put("leases/10.0.1.2", "pod\r\neth0");
  assert.equal((await tree.look()).used, true);
  await Deno.remove(`${tree.path}/leases/10.0.1.2`);
  await tree.put("leases/fd00:0:0:1::2", "pod\r\neth0");
  assert.equal((await tree.look()).used, true);
});

test("look() lists what a runtime reads before ours, in its order, and nothing else", async (tree) => {
  const bridge = '{"name": "b", "type": "bridge"}';
  await tree.put("net.d/10-clusternet.conflist", bridge);
  await tree.put("net.d/.clusternet/10-a.conflist", bridge);
  for (
    const name of [
      "10-calico.conflist",
      "05-cilium.conf",
      "10-B.json",
      "87-podman-bridge.conflist",
      "10-flannel.conflist",
      "05-old.conflist.off",
      ".10-clusternet.tmp",
      "00-README",
    ]
  ) await tree.put(`net.d/${name}`, bridge);
  await Deno.mkdir(`${tree.path}/net.d/00-dir.conf`);
  const { earlier } = await tree.look();
  assert.deepEqual(
    earlier.map(({ path }) => path.slice(path.lastIndexOf("/") + 1)),
    ["05-cilium.conf", "10-B.json", "10-calico.conflist"],
  );
  assert.deepEqual(earlier[0]?.network?.plugins, ["bridge"]);
});

test("look() passes over no link to nowhere, and reads no file without end", async (tree) => {
  await tree.put("net.d/x");
  await Deno.symlink("nowhere", `${tree.path}/net.d/00-dangling.conflist`);
  await Deno.symlink("/dev/zero", `${tree.path}/net.d/01-zero.conf`);
  await tree.put("net.d/02-large.conf", " ".repeat(300_000));
  const { earlier } = await tree.look();
  assert.deepEqual(earlier.map(({ network }) => network), [
    undefined,
    undefined,
    undefined,
  ]);
});

/**
 * The CNI configuration: whole at every instant, noticed by a runtime, gone
 * after a reboot, and nobody else's.
 *
 * @module
 */

import assert from "node:assert/strict";
import { basename } from "node:path";
import type { ConflistPort } from "../../mod/agent/ports.ts";
import { ConflistFile } from "../../mod/sys/conflist_file.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { tempDir } from "../support/temp_dir.ts";

const shim = await loadShim();
const NAME = "10-clusternet.conflist";

interface Place extends AsyncDisposable {
  readonly root: string;
  readonly file: string;
  readonly run: string;
  readonly port: ConflistPort;
}

async function place(): Promise<Place> {
  const dir = await tempDir();
  const root = dir.path;
  const directory = `${root}/run/clusternet-cni`;
  await Deno.mkdir(`${root}/net.d`);
  return {
    root,
    file: `${root}/net.d/${NAME}`,
    run: `${directory}/${NAME}`,
    port: new ConflistFile({ shim, directory }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

function names(directory: string): readonly string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

Deno.test("write() puts the text on tmpfs and a link to it in net.d", async () => {
  await using it = await place();
  assert.equal(await it.port.read(it.file), null);
  for (const text of ['{"name":"a"}', '{"name":"b"}']) {
    await it.port.write(it.file, text);
    assert.equal(await it.port.read(it.file), text);
    assert.equal(await Deno.readTextFile(it.file), text);
    assert.equal(await Deno.readLink(it.file), it.run);
  }
  assert.deepEqual(names(`${it.root}/net.d`), [".clusternet", NAME]);
  assert.deepEqual(names(`${it.root}/net.d/.clusternet`), []);
  assert.deepEqual(names(`${it.root}/run/clusternet-cni`), [NAME]);
});

Deno.test("read() finds nothing after a reboot, and write() mends it", async () => {
  await using it = await place();
  await it.port.write(it.file, "{}");
  await Deno.remove(`${it.root}/run`, { recursive: true });
  assert.equal(await it.port.read(it.file), null);
  await assert.rejects(Deno.readTextFile(it.file), Deno.errors.NotFound);
  await it.port.write(it.file, "{}");
  assert.equal(await it.port.read(it.file), "{}");
});

Deno.test("read() takes only our own link for ours", async () => {
  await using it = await place();
  await it.port.write(it.file, "{}");
  await Deno.remove(it.file);
  assert.equal(await it.port.read(it.file), null);
  await Deno.writeTextFile(it.file, "{}");
  assert.equal(await it.port.read(it.file), null);
  await Deno.remove(it.file);
  await Deno.symlink(`${it.root}/elsewhere`, it.file);
  assert.equal(await it.port.read(it.file), null);
});

Deno.test("write() refuses what somebody else put there, and leaves it", async () => {
  await using it = await place();
  const refuses = (what: string): Promise<void> =>
    assert.rejects(it.port.write(it.file, "{}"), {
      reason: "ForeignCNIConfiguration",
      message:
        `Cannot write CNI configuration ${it.file}: ${what}; remove it, or choose another --cni-conf-file`,
    });
  await Deno.writeTextFile(it.file, '{"name":"cbr0","plugins":[]}');
  await refuses('it is not ours (network "cbr0")');
  assert.match(await Deno.readTextFile(it.file), /cbr0/);
  await Deno.writeTextFile(it.file, "nonsense");
  await refuses("what is there is not ours");
  await Deno.remove(it.file);
  await Deno.symlink("/nowhere/at/all", it.file);
  await refuses("it is a link to /nowhere/at/all");
  await Deno.remove(it.file);
  await Deno.mkdir(it.file);
  await refuses("what is there is not ours");
});

Deno.test("write() makes net.d where it is missing, and says so where it cannot", async () => {
  await using it = await place();
  const file = `${it.root}/etc/cni/net.d/${NAME}`;
  await it.port.write(file, "{}");
  assert.equal(await it.port.read(file), "{}");
  await Deno.writeTextFile(`${it.root}/file`, "");
  const below = `${it.root}/file/${NAME}`;
  await assert.rejects(it.port.write(below, "{}"), {
    message: `Cannot write CNI configuration ${below}: Not a directory`,
  });
  assert.equal(await it.port.read(below), null);
});

Deno.test("write() survives the drafts that a crash left", async () => {
  await using it = await place();
  await it.port.write(it.file, "{}");
  await Deno.symlink("/nowhere", `${it.root}/net.d/.clusternet/${NAME}`);
  await Deno.symlink("/nowhere", `${it.root}/net.d/.10-clusternet.tmp`);
  await Deno.writeTextFile(`${it.root}/run/clusternet-cni/.${NAME}.new`, "x");
  await it.port.write(it.file, "[]");
  assert.equal(await Deno.readTextFile(it.file), "[]");
  assert.deepEqual(names(`${it.root}/net.d`), [".clusternet", NAME]);
});

/** Reads the file as fast as it can until told to stop; answers how often, and what was wrong. */
const READER = `
  const decoder = new TextDecoder();
  let reads = 0, bad = 0, running = true;
  self.onmessage = ({ data }) => {
    if (data === "stop") { running = false; return; }
    (async () => {
      while (running) {
        for (let n = 0; n < 50; n++) {
          reads++;
          try { JSON.parse(Deno.readTextFileSync(data)); } catch { bad++; }
        }
        await new Promise((resolve) => setTimeout(resolve));
      }
      self.postMessage({ reads, bad });
    })();
  };
  self.postMessage("ready");
`;

Deno.test("a reader never sees invalid JSON while it is rewritten 1,000 times", async () => {
  await using it = await place();
  await it.port.write(it.file, text(0));
  const url = URL.createObjectURL(
    new Blob([READER], { type: "application/javascript" }),
  );
  const worker = new Worker(url, { type: "module" });
  const next = (): Promise<{ readonly reads: number; readonly bad: number }> =>
    new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
  await next();
  worker.postMessage(it.file);
  for (let n = 1; n <= 1_000; n++) await it.port.write(it.file, text(n));
  const report = next();
  worker.postMessage("stop");
  const { reads, bad } = await report;
  worker.terminate();
  URL.revokeObjectURL(url);
  assert.equal(bad, 0);
  assert(reads >= 50, `${reads} reads`);
});

/** Of another length each time, and longer than a page. */
function text(n: number): string {
  return JSON.stringify({ n, filler: "x".repeat(5_000 + n) });
}

Deno.test("the last thing that a watcher of net.d sees is a rename within it, to the final name", async () => {
  await using it = await place();
  await it.port.write(it.file, "{}");
  const watcher = Deno.watchFs(`${it.root}/net.d`, { recursive: false });
  const alone: string[] = [];
  const watching = (async () => {
    for await (const { kind, paths } of watcher) {
      const touched = paths.map((path) => basename(path)).join(" ");
      // inotify's two halves of one rename, which Deno puts together.
      if (touched === `.10-clusternet.tmp ${NAME}`) return;
      if (touched.includes(NAME) && kind !== "access") alone.push(kind);
    }
  })();
  await it.port.write(it.file, "[]");
  await watching;
  watcher.close();
  assert.deepEqual(alone, [], "it was removed or written to before");
});

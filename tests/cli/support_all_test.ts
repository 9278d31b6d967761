/**
 * A cluster's bundle of what pods answer, good and bad; `tests/kube/bundle_test.ts`
 * has a real cluster, whose agents are all honest.
 *
 * @module
 */

import assert from "node:assert/strict";
import { clusterTar, type Missing } from "../../mod/cli/support_all.ts";
import type { OpenCluster } from "../../mod/cli/cluster_view.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { tarEnd, tarEntry } from "../../mod/wire/tar.ts";
import { readTar } from "../../mod/wire/tar_read.ts";
import { statusOf } from "../support/statuses.ts";

type Bytes = Uint8Array<ArrayBuffer>;

async function bundleOf(
  files: Readonly<Record<string, string>>,
): Promise<Bytes> {
  const entries = Object.entries(files).map(([name, text]) =>
    tarEntry({ name, data: new TextEncoder().encode(text), mtimeSeconds: 1 })
  );
  const stream = new Blob([...entries, tarEnd()]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

function nodeOf(name: string): NodeRecord {
  return {
    name,
    uid: name,
    created: "2026-01-01T00:00:00Z",
    publicKey: undefined,
    internalIps: [],
    podCidrs: [],
  };
}

/** A cluster in which each Node's program answers like that. */
function clusterOf(
  answers: ReadonlyMap<string, (signal: AbortSignal) => Promise<Bytes>>,
): OpenCluster {
  const status = JSON.stringify(statusOf(2));
  const pods = {
    run: () => Promise.resolve({ code: 0, stdout: status, stderr: "" }),
    runForBytes: async (
      { name }: { name: string },
      _command: readonly string[],
      { signal }: { signal: AbortSignal },
    ) => ({
      code: 0,
      stdout: await answers.get(name)?.(signal) ?? new Uint8Array(),
      stderr: "",
    }),
  };
  return {
    server: "https://192.0.2.1:6443",
    nodes: [...answers.keys()].map(nodeOf),
    pods,
    podOf: (name: string) => ({
      ...{ namespace: "clusternet", name, nodeName: name },
      ...{ running: true, reason: "" },
    }),
  } as unknown as OpenCluster;
}

function optionsFor(
  cluster: OpenCluster,
  more: { readonly missing?: Missing[]; readonly signal?: AbortSignal } = {},
): Parameters<typeof clusterTar>[0] {
  return {
    ...{ cluster, nodes: cluster.nodes, annotation: "x", stem: "all" },
    ...{ missing: [], secrets: ["s3cr3t-here"], mtimeSeconds: 1 },
    signal: new AbortController().signal,
    ...more,
  };
}

Deno.test("a cluster's bundle keeps each Node's files apart and together, and a bad answer costs its own Node alone", async () => {
  const good = (name: string) => (): Promise<Bytes> =>
    bundleOf({
      "clusternet-x-T/version.txt": name,
      "clusternet-x-T/cluster/status.json": `s3cr3t-here of ${name}`,
    });
  const answers = new Map(
    Array.from({ length: 30 }, (_, at) => `n${at}`).map((
      name,
    ) => [name, good(name)]),
  );
  answers.set("cluster", good("cluster"));
  const bad: Readonly<Record<string, readonly [() => Promise<Bytes>, RegExp]>> =
    {
      n3: [() => Promise.resolve(new TextEncoder().encode("<html>")), /gzip/],
      n5: [
        () => bundleOf({ "a/../../n6/version.txt": "mine" }),
        /of the name "a\/\.\.\//,
      ],
      n7: [async () => (await good("n7")()).slice(0, 50), /cut short|gzip/],
      n9: [() => Promise.reject(new Error("Cannot ask\x1b[2J")), /^Cannot ask/],
      n11: [() => bundleOf({ "a/b": "", "c/d": "" }), /outside of its folder/],
    };
  for (const [name, [answer]] of Object.entries(bad)) answers.set(name, answer);
  const missing: Missing[] = [];
  const tar = clusterTar(optionsFor(clusterOf(answers), { missing }));
  const limits = { entries: 1e3, fileBytes: 1e6, totalBytes: 1e8 };
  const files = new Map<string, string>();
  const order: string[] = [];
  for await (const { data, name } of readTar(tar, limits)) {
    files.set(name, new TextDecoder().decode(data));
    const folder = name.split("/").slice(0, 3).join("/");
    if (order.at(-1) !== folder) order.push(folder);
  }
  assert.equal(new Set(order).size, order.length, "a Node's stand together");
  for (const name of answers.keys()) {
    const folder = `all/nodes/${name}`;
    const why = bad[name]?.[1];
    if (why === undefined) {
      assert.equal(files.get(`${folder}/version.txt`), name);
      assert.equal(
        files.get(`${folder}/cluster/status.json`),
        `(redacted) of ${name}`,
      );
      continue;
    }
    const said = missing.find(({ node }) => node === name)?.why ?? "";
    assert.match(said, why);
    assert.ok(!said.includes("\x1b"), said);
    assert.equal(
      files.get(`${folder}/not-asked.txt`),
      `(not to be had: ${said})\n`,
    );
    assert.equal(files.has(`${folder}/version.txt`), false);
  }
  assert.equal(missing.length, Object.keys(bad).length);
  const view = JSON.parse(files.get("all/cluster/status.json") ?? "");
  assert.equal(view.nodes.length, answers.size);
  assert.deepEqual(view.missing, missing);
});

Deno.test("a cluster's bundle that nobody wants any more ends, and so do all who are asked", async () => {
  const asked = new Set<AbortSignal>();
  const never = (signal: AbortSignal): Promise<Bytes> => {
    asked.add(signal);
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  const names = Array.from({ length: 20 }, (_, at) => `n${at}`);
  const cluster = clusterOf(new Map(names.map((name) => [name, never])));
  const wanted = new AbortController();
  const tar = clusterTar(optionsFor(cluster, { signal: wanted.signal }));
  const first = tar.next();
  while (asked.size < 8) await new Promise((done) => setTimeout(done, 5));
  wanted.abort(new Error("enough"));
  await assert.rejects(first, { message: "enough" });
  assert.equal(asked.size, 8, "no more are begun");
  for (const signal of asked) assert.ok(signal.aborted);
});

Deno.test("a cluster's bundle that cannot be written any further asks no more Nodes", async () => {
  let asked = 0;
  const good = async (): Promise<Bytes> => {
    asked++;
    return await bundleOf({ "a/b": "x", "a/c": "y" });
  };
  const names = Array.from({ length: 40 }, (_, at) => `n${at}`);
  const cluster = clusterOf(new Map(names.map((name) => [name, good])));
  const tar = clusterTar(optionsFor(cluster));
  assert.equal((await tar.next()).done, false);
  await tar.return(undefined);
  const before = asked;
  assert.ok(before < names.length, "what is not taken is not asked for");
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(asked, before);
});

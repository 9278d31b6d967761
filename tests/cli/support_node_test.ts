import assert from "node:assert/strict";
import {
  askForBundle,
  checkBundle,
  folderOf,
  nodeFiles,
  PACKED_BYTES,
} from "../../mod/cli/support_node.ts";
import type { AgentPod, KubePods } from "../../mod/sys/kube_pods.ts";
import { tarEnd, tarEntry } from "../../mod/wire/tar.ts";

type Bytes = Uint8Array<ArrayBuffer>;

async function packed(...parts: readonly Bytes[]): Promise<Bytes> {
  const stream = new Blob([...parts]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

async function bundle(
  files: Readonly<Record<string, string>>,
): Promise<Bytes> {
  const entries = Object.entries(files).map(([name, text]) =>
    tarEntry({ name, data: new TextEncoder().encode(text), mtimeSeconds: 1 })
  );
  return await packed(...entries, tarEnd());
}

const GOOD = {
  "clusternet-n1-T/version.txt": "v",
  "clusternet-n1-T/cni/a": "",
};

/** Unpacked a thousand times as long. */
async function bomb(): Promise<Bytes> {
  const data = new Uint8Array(30 * 1024 * 1024);
  const entries = [..."abcd"].map((name) =>
    tarEntry({ name: `f/${name}`, data, mtimeSeconds: 1 })
  );
  return await packed(...entries, tarEnd());
}

const ROWS: readonly (readonly [
  what: string,
  bytes: () => Promise<Bytes>,
  says: RegExp,
])[] = [
  ["nothing", () => Promise.resolve(new Uint8Array()), /gzip|cut short/],
  [
    "words",
    () => Promise.resolve(new TextEncoder().encode("Welcome!")),
    /not packed by gzip/,
  ],
  [
    "words that are packed",
    () => packed(new TextEncoder().encode("Welcome! ".repeat(99))),
    /no tar archive/,
  ],
  [
    "half of one",
    async () => (await bundle(GOOD)).slice(0, 60),
    /gzip|cut short/,
  ],
  [
    "more behind it",
    async () => new Uint8Array([...await bundle(GOOD), 1, 2, 3]),
    /gzip/,
  ],
  ["one without files", () => packed(tarEnd()), /it is empty/],
  [
    "a file outside of its folder",
    () => bundle({ ...GOOD, "other/x": "" }),
    /outside of its folder, "other\/x"/,
  ],
  ["a file without a folder", () => bundle({ x: "" }), /outside of its folder/],
  [
    "a way up",
    () => bundle({ ...GOOD, "clusternet-n1-T/../x": "" }),
    /of the name/,
  ],
  ["what is too large unpacked", bomb, /too large/],
];

for (const [what, bytes, says] of ROWS) {
  Deno.test(`checkBundle() refuses ${what}`, async () => {
    await assert.rejects(checkBundle(await bytes()), (error) => {
      assert.ok(error instanceof SyntaxError, String(error));
      assert.match(error.message, says);
      return true;
    });
  });
}

Deno.test("nodeFiles() puts a bundle's files below another folder, without what is secret here", async () => {
  const secret = "s3cr3t-of-the-laptop";
  const bytes = await bundle({ ...GOOD, "clusternet-n1-T/x/y": `a ${secret}` });
  await checkBundle(bytes);
  const options = { folder: "all/nodes/n1", secrets: [secret] };
  const files = await Array.fromAsync(nodeFiles(bytes, options));
  assert.deepEqual(
    files.map(({ data, name }) => [name, new TextDecoder().decode(data)]),
    [
      ["all/nodes/n1/version.txt", "v"],
      ["all/nodes/n1/cni/a", ""],
      ["all/nodes/n1/x/y", "a (redacted)"],
    ],
  );
});

Deno.test("folderOf() has another folder for each name, and none that leads elsewhere", () => {
  const names = [
    "n1",
    "n1.example",
    "N1",
    "..",
    ".",
    "a/b",
    "a\\b",
    "",
    "cluster",
  ];
  const folders = names.map((name) => folderOf({ name }));
  assert.equal(new Set(folders).size, names.length);
  for (const folder of folders) assert.match(folder, /^[\w][\w.-]*$/);
  assert.equal(folders[1], "n1.example");
});

const POD: AgentPod = {
  namespace: "clusternet",
  name: "clusternet-x",
  nodeName: "n1",
  running: true,
  reason: "",
};

/** What is made of it when the program in the pod ends like that. */
async function askedWith(
  end: Partial<Awaited<ReturnType<KubePods["runForBytes"]>>>,
): Promise<Bytes | string> {
  const pods = {
    runForBytes: () =>
      Promise.resolve({
        code: 0,
        stdout: new Uint8Array(),
        stderr: "",
        ...end,
      }),
  } as unknown as KubePods;
  const { signal } = new AbortController();
  return await askForBundle({ nodes: [], pods }, POD, signal);
}

Deno.test("askForBundle() says in a sentence why there is none, and lets nothing in it move the cursor", async () => {
  const stderr = 'clusternet: there is no command "support-bundle"; `…`\n';
  const rows = [
    [
      await askedWith({ code: 2, stderr }),
      /is of an older version, which has no `clusternet support-bundle`$/,
    ],
    [
      await askedWith({ code: 1, stderr: "a\nCannot\x1b[2J read\n" }),
      /^its pod clusternet\/clusternet-x says: Cannot\ufffd\[2J read$/,
    ],
    [await askedWith({ code: 137 }), /says: exit code 137$/],
    [
      await askedWith({}),
      /^what its pod clusternet\/clusternet-x gives is no bundle: /,
    ],
  ] as const;
  for (const [why, says] of rows) assert.match(String(why), says);
  const stdout = await bundle(GOOD);
  assert.ok(stdout.length < PACKED_BYTES);
  assert.equal(await askedWith({ stdout }), stdout);
});

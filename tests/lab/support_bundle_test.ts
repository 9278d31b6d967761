import assert from "node:assert/strict";
import type { Diagnosis } from "../../mod/doctor/check.ts";
import { bringUp, labTest, patience } from "./harness.ts";
import { agentIsWell } from "./doctor.ts";
import { Child, dieWithUs, run } from "./exec.ts";
import { firstNode } from "./look.ts";
import type { LabNode } from "./node.ts";

/** Each as somebody may have it on a node; none of them is anybody's. */
const TOKEN = "opaque-Bearer-0123456789abcdef";
const PASSWORD = "hunter2-hunter2";
const PRESHARED = new Uint8Array(32).fill(0x5a).toBase64();
const CLIENT_KEY =
  "-----BEGIN EC PRIVATE KEY-----\nTUhjQ0FRRUVJUGxhbnRlZA==\n-----END EC PRIVATE KEY-----\n";
const VARIABLE = "variable-0123456789abcdef";
const CNI_SECRET = "cni-0123456789abcdef";

/** Every spelling that it could be found in. */
function spellings(secret: string): readonly string[] {
  const bytes = new TextEncoder().encode(secret.trim());
  const all = [
    secret.trim(),
    bytes.toBase64().replace(/=+$/, ""),
    bytes.toHex(),
  ];
  if (/^[A-Za-z0-9+/]{43}=$/.test(secret.trim())) {
    all.push(Uint8Array.fromBase64(secret.trim()).toHex());
  }
  return all;
}

labTest(
  "a support bundle has all that stands on a node, and none of its secrets",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const { apiUrl, agent, env } = node.settings;
    const [peer = ""] = await node.peers();
    const folder = node.keyFile.replace("/state/private.key", "");
    const kubeconfig = JSON.stringify({
      clusters: [{ name: "c", cluster: { server: apiUrl } }],
      users: [{
        name: "u",
        user: { token: TOKEN, "client-key-data": btoa(CLIENT_KEY) },
      }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    });
    const file = `${folder}/bundle.tar.gz`;
    await withoutTurn(node, async () => {
      await node.space.sh(`
cat > ${folder}/psk <<'E'
${PRESHARED}
E
endpoint=$(wg show clusternet endpoints | cut -f2)
allowed=$(wg show clusternet allowed-ips | cut -f2)
# Anew: a session that there was would outlive the change.
wg set clusternet peer ${peer} remove
wg set clusternet peer ${peer} endpoint "$endpoint" allowed-ips "$allowed" preshared-key ${folder}/psk
cat > ${folder}/kubeconfig <<'E'
${kubeconfig}
E
cat > ${folder}/net.d/90-other.conflist <<'E'
{"name":"other","server":"https://joe:${PASSWORD}@192.0.2.1","api_token": "${CNI_SECRET}","pem":${
        JSON.stringify(CLIENT_KEY)
      }}
E
sed -i 's/{/{"api_token": "${CNI_SECRET}",/' ${node.conflistFile}
rm -f ${file}`);
      const { code, stderr } = await run(
        dieWithUs(node.space.command([
          ...[...agent, "support-bundle", "-o", file],
          ...["--node-name", node.name],
          ...["--kubeconfig", `${folder}/kubeconfig`],
          ...["--private-key-file", node.keyFile],
          ...["--cni-conf-file", node.conflistFile],
        ])),
        { env: { ...env, CLUSTERNET_TOKEN: VARIABLE } },
      );
      assert.equal(code, 0, stderr);
    });
    const mode = await node.space.must(["stat", "-c", "%a", file]);
    assert.equal(mode.trim(), "600");
    const names = (await node.space.must(["tar", "-tzf", file])).split("\n");
    const text = await node.space.must(["tar", "-xzOf", file]);
    for (
      const name of [
        ...["plan.txt", "snapshot.json", "status.json"],
        ...["doctor.txt", "doctor.json"],
      ]
    ) {
      assert.ok(names.some((each) => each.endsWith(`/${name}`)), name);
    }
    const doctor = names.find((name) => name.endsWith("/doctor.json")) ?? "";
    const said = await node.space.must(["tar", "-xzOf", file, doctor]);
    const { findings }: Diagnosis = JSON.parse(said);
    // Only this end has a preshared key.
    assert.deepEqual(findings.map(({ code }) => code), ["peer-silent"], said);
    assert.match(text, /Node n1 at /, text.slice(0, 1500));
    assert.match(text, /"health":\{"ready":true/);
    assert.match(text, /table inet clusternet/);
    assert.match(text, /preshared key: \((redacted|hidden)/);
    const secrets = {
      ...{ TOKEN, PASSWORD, PRESHARED, CLIENT_KEY, VARIABLE, CNI_SECRET },
      privateKey: await node.space.must(["cat", node.keyFile]),
      kernelKey: await node.space.must([
        ...["wg", "show", "clusternet", "private-key"],
      ]),
    };
    for (const [what, secret] of Object.entries(secrets)) {
      for (const spelling of spellings(secret)) {
        assert.ok(!text.includes(spelling), `${what} as ${spelling}`);
      }
    }
    assert.ok(!text.includes("TUhjQ0FRRUVJUGxhbnRlZA"), "the key in PEM");
    await leavesNoHalf(node);
  },
);

/**
 * What is put in the agent's way goes, or is complained of, in its next turn: where
 * that falls into the making of the bundle, another is made.
 */
async function withoutTurn(
  node: LabNode,
  makeBundle: () => Promise<void>,
): Promise<void> {
  for (let left = 5; left > 0; left--) {
    const said = node.agent?.lines.length;
    await makeBundle();
    if (node.agent?.lines.length === said) return;
    await node.space.must(["rm", node.conflistFile]);
    await agentIsWell(node);
  }
  assert.fail("A turn of the agent fell into the making of every bundle");
}

/** On a disk that is full, with somebody who does not wait, and beside another file. */
async function leavesNoHalf(node: LabNode): Promise<void> {
  const { agent, env } = node.settings;
  const folder = `${node.keyFile.replace("/state/private.key", "")}/disk`;
  const file = `${folder}/bundle.tar.gz`;
  await node.space.sh(
    `mkdir ${folder} && mount -t tmpfs -o size=8k none ${folder}`,
  );
  const command = [
    ...[...agent, "support-bundle", "-o", file, "--node-name", node.name],
    ...["--kubeconfig", "/nowhere", "--private-key-file", node.keyFile],
  ];
  const begin = (): Child =>
    new Child("support-bundle", node.space.command(command), { env });
  const inFolder = (): Promise<string> => node.space.must(["ls", "-A", folder]);

  const full = begin();
  assert.equal(await full.ended, 1);
  assert.equal(
    full.lines.at(-1),
    `clusternet: Cannot write the bundle to ${file}: No space left on device`,
  );
  assert.equal(await inFolder(), "");

  await node.space.sh(`mount -o remount,size=8m ${folder}`);
  const ended = begin();
  await ended.line(/doctor\.txt$/, { withinMs: patience(10_000) });
  assert.match(await inFolder(), /^\.bundle\.tar\.gz\.clusternet-new$/m);
  assert.equal(await ended.stop("SIGINT"), 1);
  assert.equal(
    ended.lines.at(-1),
    `clusternet: Cannot write the bundle to ${file}: SIGINT has ended it, and nothing is left of it`,
  );
  assert.equal(await inFolder(), "");

  await node.space.sh(`echo mine > ${file}`);
  const taken = begin();
  assert.equal(await taken.ended, 1);
  assert.match(taken.lines.join("\n"), /there is one of that name already$/);
  assert.equal(await node.space.must(["cat", file]), "mine\n");
  await node.space.sh(`umount ${folder}`);
}

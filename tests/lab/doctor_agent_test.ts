/**
 * What `clusternet doctor` says of an agent that is another than this program,
 * or that sees other files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Diagnosis } from "../../mod/doctor/check.ts";
import { VERSION } from "../../mod/core/version.ts";
import { tempDir } from "../support/temp_dir.ts";
import { amongOwnMounts, assertFound, doctor } from "./doctor.ts";
import { Child, must } from "./exec.ts";
import { bringUp, eventually, labTest, patience } from "./harness.ts";
import { firstNode, ready } from "./look.ts";
import type { LabNode } from "./node.ts";
import { SERVICE_ACCOUNT_DIR } from "./service_account.ts";

const OTHER_VERSION = "0.0.1";

labTest(
  "doctor finds an agent of another version, and none once it is started anew",
  { nodes: 1 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const only = ["--only", "agent-version"];
    await node.stopAgent();
    await using folder = await tempDir();
    const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
    const other = await copyWithVersion(folder.path);
    const agent = await started(
      node,
      node.agentCommand().map((word) => word === main ? other : word),
    );
    try {
      assertFound(
        await doctor(node, only),
        "agent-version",
        /^The agent is version 0\.0\.1, this executable \d+\./,
      );
    } finally {
      await agent.stop("SIGTERM");
    }
    node.startAgent();
    await ready(node);
    assert.deepEqual((await doctor(node, only)).findings, []);
  },
);

/** This checkout's program with another version in it. Gives its `main.ts`. */
async function copyWithVersion(folder: string): Promise<string> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  await must([
    ...["cp", "-r"],
    ...["main.ts", "deno.json", "deno.lock", "mod", "ffi", ".build"].map(
      (name) => `${root}${name}`,
    ),
    folder,
  ]);
  const file = `${folder}/mod/core/version.ts`;
  const text = await Deno.readTextFile(file);
  assert.ok(text.includes(`"${VERSION}"`));
  await Deno.writeTextFile(
    file,
    text.replace(`"${VERSION}"`, `"${OTHER_VERSION}"`),
  );
  return `${folder}/main.ts`;
}

labTest(
  "doctor finds an agent that is refused since it sees the old token only, and none once it sees the folder",
  { nodes: 1, secure: true },
  async (lab) => {
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    const node = firstNode(lab);
    const token = `${SERVICE_ACCOUNT_DIR}/token`;
    const kubeconfig = await writeKubeconfig(node, token);
    // As a volume with a subPath shows a single file: the one that was there then.
    const agent = await started(
      node,
      amongOwnMounts(
        node.agentCommand(["--kubeconfig", kubeconfig]),
        `cp ${token} ${token}.then; mount --bind ${token}.then ${token}`,
      ),
    );
    const look = (): Promise<Diagnosis> =>
      doctor(node, ["--only", "credentials-stale", "--kubeconfig", kubeconfig]);
    try {
      assert.deepEqual((await look()).findings, []);
      const renewed = crypto.randomUUID();
      await node.space.sh(`echo ${renewed} > ${token}`);
      await lab.api.request("POST", "/lab/token", renewed);
      await lab.api.goDown();
      await lab.api.comeBack();
      const found = await eventually("it is refused", async () => {
        const answer = await look();
        return answer.findings.length > 0 ? answer : undefined;
      }, patience(20_000));
      assertFound(
        found,
        "credentials-stale",
        /refused with the credentials that it has, those in the files are accepted/,
      );
    } finally {
      await agent.stop("SIGTERM");
    }
    node.startAgent(["--kubeconfig", kubeconfig]);
    await ready(node);
    assert.deepEqual((await look()).findings, []);
  },
);

/** Gives its path. */
async function writeKubeconfig(node: LabNode, token: string): Promise<string> {
  const path = node.keyFile.replace(/state\/.*/, "kubeconfig");
  const kubeconfig = {
    clusters: [{
      name: "c",
      cluster: {
        server: node.settings.apiUrl,
        "certificate-authority": `${SERVICE_ACCOUNT_DIR}/ca.crt`,
      },
    }],
    users: [{ name: "u", user: { tokenFile: token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  await node.space.sh(`cat > ${path} <<'E'
${JSON.stringify(kubeconfig)}
E`);
  return path;
}

async function started(
  node: LabNode,
  command: readonly string[],
): Promise<Child> {
  const { env } = node.settings;
  const agent = new Child(`another agent of ${node.name}`, command, { env });
  await agent.line(/\bOK, \d+ peers?/, { withinMs: patience(10_000) });
  return agent;
}

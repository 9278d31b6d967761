import assert from "node:assert/strict";
import { progressText } from "../../mod/cli/ask_cluster.ts";
import { askForStatus, runInPod } from "../../mod/cli/ask_agent.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type {
  AgentPod,
  KubePods,
  ProgramOutput,
} from "../../mod/sys/kube_pods.ts";
import { gzipped } from "../../mod/wire/gzip.ts";
import { NODE, POD } from "../support/agent_pods.ts";
import { statusOf } from "../support/statuses.ts";

/** What is made of it when the program in the pod ends like that, or cannot be run. */
async function askedWith(
  end: Partial<ProgramOutput> | Error,
  { pod = POD, node = NODE }: {
    readonly pod?: AgentPod | undefined;
    readonly node?: NodeRecord;
  } = {},
): Promise<string> {
  const stdout = typeof end === "object" && "stdout" in end ? end.stdout : "";
  const bytes = new TextEncoder().encode(stdout);
  return await askedFor(
    () =>
      end instanceof Error
        ? Promise.reject(end)
        : Promise.resolve({ code: 0, stderr: "", ...end, stdout: bytes }),
    { pod, node },
  );
}

async function askedFor(
  runForBytes: KubePods["runForBytes"],
  { pod = POD, node = NODE }: {
    readonly pod?: AgentPod;
    readonly node?: NodeRecord;
  } = {},
): Promise<string> {
  const answer = await askForStatus(
    { podOf: () => pod.name === "" ? undefined : pod, pods: { runForBytes } },
    node,
    { probe: true, signal: new AbortController().signal },
  );
  return answer.kind === "none"
    ? answer.why
    : `ready: ${answer.status.version}`;
}

Deno.test("askForStatus() asks for a packed status, and one that does not know that for a plain one", async () => {
  const status = JSON.stringify(statusOf(2));
  const packed = await gzipped(status);
  const asked: string[] = [];
  const modern = await askedFor((_pod, command) => {
    asked.push(command.slice(1).join(" "));
    return Promise.resolve({ code: 0, stderr: "", stdout: packed });
  });
  const older = await askedFor((_pod, command) => {
    const knows = !command.includes("json.gz");
    const stderr = knows ? "" : "clusternet: Cannot use --output json.gz: no";
    const stdout = new TextEncoder().encode(knows ? status : "");
    return Promise.resolve({ code: knows ? 0 : 2, stderr, stdout });
  });
  assert.deepEqual([modern, older], ["ready: 0.1.0", "ready: 0.1.0"]);
  assert.deepEqual(asked, ["status --output json.gz"]);
});

Deno.test("askForStatus() says of a packed status that is damaged where it came from", async () => {
  const packed = await gzipped(JSON.stringify(statusOf(2)));
  const why = await askedFor(() =>
    Promise.resolve({ code: 0, stderr: "", stdout: packed.slice(0, -9) })
  );
  assert.match(
    why,
    /^its pod clusternet\/clusternet-x is not understood: its answer is damaged, or cut off/,
  );
});

Deno.test("askForStatus() takes the status of an agent that is not well, which ends with 1", async () => {
  const stdout = JSON.stringify(statusOf(2));
  assert.equal(await askedWith({ code: 1, stdout }), "ready: 0.1.0");
});

Deno.test("askForStatus() says in a sentence why there is no status", async () => {
  const none = { ...POD, name: "" };
  const stopped = { ...POD, running: false, reason: "CrashLoopBackOff" };
  const other = JSON.stringify({ ...statusOf(2), schema: 2, version: "9.0.0" });
  const rows = [
    [
      await askedWith({
        code: 2,
        stderr:
          'clusternet: there is no command "status"; `clusternet help` lists them\n',
      }),
      /^its pod clusternet\/clusternet-x is of an older version, which has no `clusternet status`$/,
    ],
    [
      await askedWith({ stdout: other }),
      /is not understood: it is version 9\.0\.0 and speaks schema 2, this program schema 1/,
    ],
    [
      await askedWith({ stdout: '{"schema":1}' }),
      /^its pod clusternet\/clusternet-x is not understood: its answer is no status$/,
    ],
    [
      await askedWith({ code: 1, stderr: "clusternet: No agent runs here\n" }),
      /^its pod clusternet\/clusternet-x says: clusternet: No agent runs here$/,
    ],
    [
      await askedWith({ code: 137 }),
      /^its pod clusternet\/clusternet-x says: exit code 137$/,
    ],
    [
      await askedWith(new Error("the API server cannot reach the kubelet")),
      /^the API server cannot reach the kubelet$/,
    ],
    [
      await askedWith({}, { pod: stopped }),
      /^its pod clusternet\/clusternet-x does not run: CrashLoopBackOff$/,
    ],
    [
      await askedWith({}, { pod: none }),
      /^it has no agent: no pod of it, and no public key on its Node$/,
    ],
    [
      await askedWith({}, { pod: none, node: { ...NODE, publicKey: "key" } }),
      /^it has no pod of the agent, but a public key: .*service of the host/,
    ],
  ] as const;
  for (const [why, sentence] of rows) assert.match(why, sentence);
});

Deno.test("runInPod() gives up an agent that does not answer in time, and says so", async () => {
  const { promise, reject } = Promise.withResolvers<ProgramOutput>();
  const run = (
    _pod: unknown,
    _command: unknown,
    signal: AbortSignal,
  ): Promise<ProgramOutput> => {
    signal.addEventListener("abort", () => reject(signal.reason));
    return promise;
  };
  const { signal } = new AbortController();
  const options = { command: ["status"], signal, withinMs: 1_000 };
  assert.equal(
    await runInPod({ pods: { run } }, POD, options),
    "its pod clusternet/clusternet-x gives no answer within 1 s",
  );
});

Deno.test("progressText() says how many have been asked, and how many gave no answer", () => {
  const nodes = 5_000;
  assert.equal(
    progressText({ asked: 412, nodes, silent: 0 }),
    "asked 412 of 5,000 agents…",
  );
  assert.equal(
    progressText({ asked: 1_412, nodes, silent: 3 }),
    "asked 1,412 of 5,000 agents… 3 gave no answer",
  );
});

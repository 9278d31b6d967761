/**
 * The agent's permissions are enough, and none is too many: with any one taken
 * away, something that worked does not.
 *
 * Enough is what every test of the lab shows, for its agents run under precisely
 * this list; here with a login by a program, and a service manager to tell.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NO_PROMPT, PERMISSIONS, VARIABLES } from "../../deploy/permissions.ts";
import { Authority } from "../support/certificates.ts";
import { type Ear, listen } from "../support/notify_ear.ts";
import { tempDir } from "../support/temp_dir.ts";
import { Child, inTurns, run, type RunResult } from "./exec.ts";
import { labTest, patience, pause } from "./harness.ts";
import { agentProgram } from "./lab.ts";
import type { Lab } from "./lab.ts";
import { firstNode } from "./look.ts";
import type { LabNode } from "./node.ts";

type Variables = Readonly<Record<string, string>>;

/** The program without a flag, or with a shorter list in one. */
function without(taken: string, program: readonly string[]): string[] {
  return program.flatMap((flag) => {
    if (flag === taken) return [];
    const [name, list] = flag.split("=");
    if (list === undefined || !PERMISSIONS.includes(flag)) return [flag];
    const left = list.split(",").filter((each) => each !== taken);
    return [`${name}=${left.join(",")}`];
  });
}

/** The names in the list of a flag. */
function namesOf(flag: string): readonly string[] {
  const found = PERMISSIONS.find((each) => each.startsWith(`${flag}=`));
  return found?.slice(flag.length + 1).split(",") ?? [];
}

Deno.test("no permission is for everything", () => {
  const program = agentProgram();
  for (const flag of PERMISSIONS) assert(program.includes(flag), flag);
  const others = program.filter((flag) => /^(-A|-P|--allow-)/.test(flag));
  assert.deepEqual(others, PERMISSIONS.filter((flag) => /^--a/.test(flag)));
  assert(!others.includes("--allow-all") && !others.includes("-A"));
});

Deno.test("no module is taken from a server, not even from those that Deno trusts", async () => {
  const program = 'console.log(Deno.permissions.querySync({ name: "import" }))';
  const state = async (flags: readonly string[]): Promise<string> => {
    const command = [Deno.execPath(), "run", "--quiet", NO_PROMPT, ...flags];
    return (await run([...command, "-"], { input: program })).stdout;
  };
  assert.match(await state(PERMISSIONS), /state: "denied"/);
  const others = PERMISSIONS.filter((flag) => flag !== DENY_IMPORT);
  assert.doesNotMatch(await state(others), /state: "denied"/);
});

Deno.test("what is not allowed is refused at once, at a terminal too", async () => {
  const command = without("hostname", agentProgram());
  const atTerminal = async (line: readonly string[]): Promise<string> => {
    // script(1) gives it a terminal.
    const child = new Child("agent at a terminal", [
      ...["script", "--quiet", "--return", "--command"],
      ...[[...line, "run"].join(" "), "/dev/null"],
    ]);
    try {
      return await child.line(/Requires sys access|Deno requests sys access/);
    } finally {
      await child.stop("SIGKILL");
    }
  };
  assert.match(await atTerminal(command), /Requires sys access/);
  assert.match(
    await atTerminal(command.filter((flag) => flag !== NO_PROMPT)),
    /Deno requests sys access/,
  );
});

// ------------------------------------------------------------------ variables

/** What it says at once, without a cluster. */
async function firstWords(
  program: readonly string[],
  env: Variables,
): Promise<string> {
  const { stdout, stderr } = await run([...program, "run"], { env });
  return stdout + stderr;
}

/** No name, path, number or choice that any of them takes. */
const WRONG = "? /";

/** For commands that show something to people; see `tests/lab/status_test.ts`. */
const FOR_PEOPLE = ["COLUMNS", "FORCE_COLOR", "HOME", "NO_COLOR", "TERM"];

/** They show only in an agent that has a cluster: below. */
const SEEN_IN_A_CLUSTER = [
  "CLUSTERNET_DEBUG",
  "JOURNAL_STREAM",
  "KUBERNETES_SERVICE_PORT",
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
];

Deno.test("each variable on the list is read, and only because it is on the list", async () => {
  const program = agentProgram();
  const nothing = await firstWords(program, {});
  const elsewhere = [...SEEN_IN_A_CLUSTER, ...FOR_PEOPLE];
  const others = VARIABLES.filter((name) => !elsewhere.includes(name));
  await inTurns(others, async (name) => {
    const env = { [name]: WRONG };
    assert.notEqual(await firstWords(program, env), nothing, name);
    assert.equal(await firstWords(without(name, program), env), nothing, name);
  }, 2);
  assert.equal(
    await firstWords(program, { CLUSTERNET_NO_SUCH: WRONG }),
    nothing,
    "others are as if not set",
  );
});

// --------------------------------------------------------------- in a cluster

/** What a run to its end had to show. */
interface Seen extends RunResult {
  /** Lines that the service manager heard. */
  readonly told: readonly string[];
  /** The environment of the program that gives the credentials. */
  readonly inherited: readonly string[];
}

/** One node, whose kubeconfig names a program, under a service manager. */
class Scenario {
  readonly #lab: Lab;
  readonly #dir: string;
  readonly kubeconfig: string;

  constructor(lab: Lab, dir: string) {
    this.#lab = lab;
    this.#dir = dir;
    this.kubeconfig = `${dir}/kubeconfig`;
  }

  async prepare(): Promise<void> {
    // The library refuses programs for servers without TLS; $CLUSTERNET_SERVER is asked.
    const server = this.#lab.settings.apiUrl.replace("http:", "https:");
    const credential = JSON.stringify({
      kind: "ExecCredential",
      apiVersion: "client.authentication.k8s.io/v1",
      status: { token: "abc" },
    });
    await Deno.writeTextFile(
      `${this.#dir}/login`,
      `#!/bin/sh\nenv >${this.#dir}/inherited\necho '${credential}'\n`,
      { mode: 0o755 },
    );
    await Deno.writeTextFile(
      this.kubeconfig,
      `
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "${server}"}}]
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./login
      env: [{name: GIVEN, value: by the kubeconfig}]
`,
    );
  }

  get node(): LabNode {
    return firstNode(this.#lab);
  }

  /** The agent's command line in the node, its API server named by the environment alone. */
  command(taken?: string): readonly string[] {
    const command = this.node.agentCommand(["--once"]);
    const at = command.indexOf("--server");
    command.splice(at, 2);
    return taken === undefined ? command : without(taken, command);
  }

  env(more: Variables = {}): Variables {
    const { env, apiUrl } = this.node.settings;
    const own = { KUBECONFIG: this.kubeconfig, CLUSTERNET_SERVER: apiUrl };
    return { ...env, ...own, ...more };
  }

  /** `--once`, to its end. */
  async once(more: Variables, taken?: string): Promise<Seen> {
    await using heard = this.#listen();
    const result = await run(this.command(taken), {
      env: this.env({ NOTIFY_SOCKET: heard.path, CANARY: "sings", ...more }),
    });
    const file = await Deno.readTextFile(`${this.#dir}/inherited`);
    return { ...result, told: heard.said, inherited: file.split("\n") };
  }

  #listen(): Ear & { readonly path: string } {
    const path = `${this.#dir}/notify`;
    const ear = listen(path);
    return {
      ...ear,
      path,
      async [Symbol.asyncDispose](): Promise<void> {
        await ear[Symbol.asyncDispose]();
        await Deno.remove(path);
      },
    };
  }

  /** Signs of life while it has nothing to do for a while. */
  async beats(more: Variables, taken?: string): Promise<number> {
    await using heard = this.#listen();
    const command = this.command(taken).filter((each) => each !== "--once");
    const agent = new Child("agent", command, {
      env: this.env({ NOTIFY_SOCKET: heard.path, ...more }),
    });
    try {
      await agent.line(/ Ready: OK/, { withinMs: patience(10_000) });
      const from = heard.said.length;
      await pause(300);
      const since = heard.said.slice(from);
      return since.filter((line) => line === "WATCHDOG=1").length;
    } finally {
      await agent.stop("SIGTERM");
    }
  }

  /** Until it says a certain thing. */
  async until(
    pattern: RegExp,
    command: readonly string[],
    env: Variables = this.env(),
  ): Promise<string> {
    const agent = new Child("agent", command, { env });
    try {
      return await agent.line(pattern, { withinMs: patience(20_000) });
    } finally {
      await agent.stop("SIGKILL");
    }
  }
}

/** Only shuts a door: another test sees to it. */
const DENY_IMPORT = "--deny-import";

/** What stands in the way when it is taken away. */
const FLAGS: Readonly<Record<string, RegExp>> = {
  "--allow-net": /Requires net access/,
  "--allow-read": /Requires read access/,
  "--allow-write": /Requires write access/,
  "--allow-run": /Requires run access/,
  "--allow-env": /Cannot find the API server: give --kubeconfig/,
  "--ignore-env": /Requires env access/,
  "--allow-sys": /Requires sys access/,
  "--allow-ffi": /Cannot load the shim/,
};

labTest(
  "the permissions are enough for all, and too few without any one of them",
  { nodes: 1 },
  async (lab) => {
    await using dir = await tempDir();
    const scenario = new Scenario(lab, dir.path);
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    await scenario.prepare();

    const all = await scenario.once({ WATCHDOG_USEC: "20000" });
    assert.equal(all.code, 0, all.stderr);
    assert(all.told.includes("READY=1"), all.told.join(" | "));
    assert(all.told.includes("WATCHDOG=1"), all.told.join(" | "));
    assert.doesNotMatch(all.stderr, /Requires \w+ access/);
    assert(all.inherited.includes("CANARY=sings"), "not on the list");
    assert(all.inherited.includes("GIVEN=by the kubeconfig"));
    assert(all.inherited.some((line) => /^KUBERNETES_EXEC_INFO=/.test(line)));

    for (const flag of PERMISSIONS.filter((each) => each !== DENY_IMPORT)) {
      const [name = ""] = flag.split("=");
      const pattern = FLAGS[name];
      assert(pattern !== undefined, `who notices that ${name} is missing?`);
      await scenario.until(pattern, scenario.command(flag));
    }
    for (const name of namesOf("--allow-sys")) {
      const pattern = new RegExp(`Requires sys access to "${name}"`);
      await scenario.until(pattern, scenario.command(name));
    }
    const memory = "/proc/self/fd";
    assert(namesOf("--allow-ffi").includes(memory));
    await scenario.until(
      /Requires ffi access to "\/proc\/self\/fd/,
      scenario.command(memory),
    );

    await variables(scenario);
    await port(scenario, dir.path);
  },
);

/** Those whose effect shows only here. */
async function variables(scenario: Scenario): Promise<void> {
  const noSocket = await scenario.once({}, "NOTIFY_SOCKET");
  assert.deepEqual([noSocket.code, noSocket.told], [0, []]);

  const every10ms = { WATCHDOG_USEC: "20000" };
  const anothers = { ...every10ms, WATCHDOG_PID: "1" };
  assert((await scenario.beats(every10ms)) >= 5);
  assert((await scenario.beats(every10ms, "WATCHDOG_USEC")) < 5);
  assert((await scenario.beats(anothers)) < 5);
  assert((await scenario.beats(anothers, "WATCHDOG_PID")) >= 5);

  const journal = { JOURNAL_STREAM: "8:1" };
  const prefix = /^<[34567]>/m;
  assert.match((await scenario.once(journal)).stderr, prefix);
  const plain = await scenario.once(journal, "JOURNAL_STREAM");
  assert.doesNotMatch(plain.stderr, prefix);

  const debug = { CLUSTERNET_DEBUG: "netlink", CLUSTERNET_LOG_LEVEL: "debug" };
  const dumped = await scenario.once(debug);
  const silent = await scenario.once(debug, "CLUSTERNET_DEBUG");
  const rows = dumped.stderr.split("\n").length;
  assert(rows > silent.stderr.split("\n").length + 20, "messages in hex");
}

/** KUBERNETES_SERVICE_PORT counts in a pod alone. */
async function port(scenario: Scenario, dir: string): Promise<void> {
  const { node } = scenario;
  Authority.create(dir);
  const account = "/var/run/secrets/kubernetes.io/serviceaccount";
  await node.space.sh(`mkdir -p ${account}
    echo abc >${account}/token; cp ${dir}/ca.crt ${account}/`);
  const host = node.settings.plan.apiAddress;
  const env = {
    ...node.settings.env,
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: "7001",
  };
  const at = async (taken?: string): Promise<string> => {
    const pattern = /Cannot reach the API server/;
    return await scenario.until(pattern, scenario.command(taken), env);
  };
  assert((await at()).includes(`https://${host}:7001`));
  assert(!(await at("KUBERNETES_SERVICE_PORT")).includes(":7001"));
}

import assert from "node:assert/strict";
import type { Status } from "../../mod/core/status.ts";
import { nodeObject } from "./api.ts";
import { Child, type RunResult } from "./exec.ts";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  losesNothing,
  patience,
} from "./harness.ts";
import type { Lab } from "./lab.ts";
import { firstNode } from "./look.ts";
import type { LabNode } from "./node.ts";

const SOCKET = "/run/clusternet/clusternet.sock";

function command(
  node: LabNode,
  ...flags: readonly string[]
): readonly string[] {
  return [...node.settings.agent, "status", ...flags];
}

async function status(
  node: LabNode,
  ...flags: readonly string[]
): Promise<RunResult> {
  return await node.space.run(command(node, ...flags));
}

async function seen(
  node: LabNode,
  ...flags: readonly string[]
): Promise<Status> {
  const { stdout, stderr } = await status(node, "-o", "json", ...flags);
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

function isOneSentence({ code, stdout, stderr }: RunResult): void {
  assert.deepEqual([code, stdout], [1, ""], stderr);
  assert.match(stderr, /^clusternet: [^\n]+\n$/);
}

labTest(
  "status tells up, idle and down apart, and who is no peer; its exit code says so",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const [n1, n2] = lab.nodes;
    assert.ok(n1 !== undefined && n2 !== undefined);
    const well = await status(n1);
    assert.equal(well.code, 0, well.stderr + well.stdout);
    assert.match(well.stdout, /^n1 {2}healthy$/m);
    assert.match(well.stdout, /^n2 +(up|idle) /m);
    const [peer] = (await seen(n1)).peers;
    assert.ok(peer?.state !== "down" && peer?.probe?.answered, "n2 answers");

    await lab.api.create({
      ...nodeObject(n2.plan),
      metadata: { name: "stranger" },
      spec: { podCIDRs: ["10.0.77.0/24"] },
    });
    const stranger = await eventually("the stranger is told", async () => {
      const { stdout } = await status(n1, "--no-probe");
      return /^- stranger: .+/m.exec(stdout)?.[0];
    });
    assert.match(stranger, /key|annotation/);
    await lab.api.request("DELETE", "/api/v1/nodes/stranger");

    assert.match(await firstTryLost(n1, n2), /^n2 +idle /m);

    await n2.space.sh("ip link set eth0 down");
    const down = await status(n1);
    assert.equal(down.code, 1);
    assert.match(down.stdout, /^n2 +down /m);
    assert.match(down.stdout, /^! n2: no answer within 3 s$/m);
    await n2.space.sh("ip link set eth0 up");
  },
);

/** There is no session, and what WireGuard says first to shake hands gets lost. */
async function firstTryLost(node: LabNode, to: LabNode): Promise<string> {
  await to.space.sh(`
nft add table inet cut
nft 'add chain inet cut in { type filter hook input priority 0; }'
nft add rule inet cut in udp dport 7838 drop`);
  const mend = to.space.sh("sleep 2; nft delete table inet cut");
  await node.space.sh(`
set -- $(wg show clusternet endpoints); key=$1 endpoint=$2
set -- $(wg show clusternet allowed-ips); shift
wg set clusternet peer "$key" remove
wg set clusternet peer "$key" endpoint "$endpoint" allowed-ips "$*"`);
  const { code, stdout } = await status(node);
  await mend;
  assert.equal(code, 0, stdout);
  return stdout;
}

labTest(
  "--wait tells what it waits for, one line a change, and returns when all stands",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    const [n1, n2] = lab.nodes;
    assert.ok(n1 !== undefined && n2 !== undefined);
    n1.startAgent();
    const late = await status(n1, "--wait", "--timeout", "3s");
    assert.deepEqual([late.code, late.stdout], [1, ""]);
    assert.match(
      late.stderr,
      /clusternet: Not all stands after 3 s: no peer yet: n2 \(.+\)\n$/,
    );
    const waiting = new Child(
      "status --wait",
      n1.space.command(command(n1, "--wait")),
      { env: n1.settings.env },
    );
    await waiting.line(/^waiting: no peer yet: n2/, {
      withinMs: patience(10_000),
    });
    n2.startAgent();
    assert.equal(await waiting.ended, 0, waiting.lines.join("\n"));
    const said = waiting.lines.filter((line) => line.startsWith("waiting: "));
    assert.equal(new Set(said).size, said.length, said.join("\n"));
  },
);

labTest(
  "bad surroundings are one sentence: no agent, no permission, another version, silence, no end",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    const node = firstNode(lab);
    const none = await status(node);
    isOneSentence(none);
    assert.match(none.stderr, /No agent runs on this machine/);
    await bringUpAgain(lab);

    const modes = await node.space.sh(
      `stat -c '%a %u' ${SOCKET}; ls -d ${SOCKET}*`,
    );
    assert.equal(modes, `600 0\n${SOCKET}\n`);
    // Another user could not read this checkout: root without its privilege over
    // files can, and is as much a stranger to a socket of somebody else's.
    const without = "-dac_override,-dac_read_search";
    await node.space.sh(`chown 65534 ${SOCKET}`);
    const graph = [...node.settings.agent, "graph"];
    for (const asker of [command(node), graph]) {
      const nobody = await node.space.run([
        ...["setpriv", "--bounding-set", without, "--inh-caps", without, "--"],
        ...asker,
      ]);
      isOneSentence(nobody);
      assert.match(nobody.stderr, /no permission for .*sudo/);
    }

    await node.stopAgent();
    for (const { answer, says } of HOSTILE) {
      await using _server = await hostile(node, answer);
      const asked = [
        status(node),
        // It reads the answer in the same way.
        ...answer.startsWith("head") ? [node.space.run(graph)] : [],
      ];
      for (const ended of await Promise.all(asked)) {
        isOneSentence(ended);
        assert.match(ended.stderr, says);
      }
    }
  },
);

/** What listens instead of an agent, and what is said of it. */
const HOSTILE: readonly { readonly answer: string; readonly says: RegExp }[] = [
  {
    answer: 'head + \'{"schema":9,"version":"9.1.0"}\'',
    says: /version 9\.1\.0 and speaks schema 9/,
  },
  { answer: 'head + "<html>"', says: /its answer is no status/ },
  { answer: '""', says: /gives no answer/ },
  { answer: "undefined", says: /has not ended within 15 s/ },
  { answer: "null", says: /does not end/ },
];

/** `undefined`: silence; `null`: an answer without end. */
async function hostile(
  node: LabNode,
  answer: string,
): Promise<AsyncDisposable> {
  const program = `
    const path = ${JSON.stringify(SOCKET)};
    try { Deno.removeSync(path); } catch {}
    const head = "HTTP/1.1 200 OK\\r\\nconnection: close\\r\\n\\r\\n";
    const write = async (to, text) => {
      let bytes = new TextEncoder().encode(text);
      while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
    };
    const listener = Deno.listen({ transport: "unix", path });
    console.log("at work");
    for await (const client of listener) {
      (async () => {
        const answer = ${answer};
        await client.read(new Uint8Array(4096));
        if (answer === undefined) return;
        await write(client, answer ?? head);
        while (answer === null) await write(client, " ".repeat(1 << 20));
        client.close();
      })().catch(() => {});
    }`;
  const child = new Child(
    "what listens instead of an agent",
    node.space.command([Deno.execPath(), "eval", program]),
    { env: node.settings.env },
  );
  await child.line(/^at work$/, { withinMs: patience(10_000) });
  return {
    [Symbol.asyncDispose]: async () => void await child.stop("SIGKILL"),
  };
}

async function bringUpAgain(lab: Lab): Promise<void> {
  await lab.register();
  await lab.assignPodCidrs();
  for (const node of lab.nodes) {
    node.startAgent();
    await node.agent?.line(/Ready: OK/, { withinMs: patience(15_000) });
  }
}

labTest(
  "a closed pipe ends it quietly; --watch tells changes as blocks; 40 columns and colours fit",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const [node, other] = lab.nodes;
    assert.ok(node !== undefined && other !== undefined);
    const line = command(node).map((word) => `'${word}'`).join(" ");
    // Nothing changes meanwhile that would have to be written.
    const begin = performance.now();
    const piped = await node.space.run([
      ...["sh", "-c"],
      `{ ${line} --watch --no-probe; echo $? >&2; } | head -1`,
    ]);
    assert.deepEqual([piped.stdout, piped.stderr], ["n1  healthy\n", "0\n"]);
    const took = performance.now() - begin;
    assert.ok(took < patience(4_000), `${took} ms`);
    const graph = line.replace("'status'", "'graph'");
    const drawn = await node.space.run(["sh", "-c", `${graph} | head -c 4`]);
    assert.deepEqual([drawn.stdout, drawn.stderr], ["<svg", ""]);
    await showsOnTerminal(node, line);
    const packed = await node.space.sh(
      `${line} --no-probe -o json.gz | gunzip`,
    );
    assert.equal(JSON.parse(packed).node.name, "n1");
    const refused = await node.space.run([
      ...["script", "--quiet", "--return", "--command"],
      ...[`${line} -o json.gz`, "/dev/null"],
    ]);
    assert.equal(refused.code, 2);
    assert.match(
      refused.stdout,
      /^clusternet: Cannot use -o json\.gz on a term/,
    );
    const narrow = await node.space.sh(`COLUMNS=40 ${line}`);
    for (const each of narrow.split("\n")) assert.ok(each.length <= 40, each);
    assert.match(narrow, /^n2 +(up|idle) /m);
    // The lab says NO_COLOR.
    const colour = await node.space.sh(`NO_COLOR= FORCE_COLOR=1 ${line}`);
    assert.ok(colour.includes("\x1b[32mhealthy\x1b[0m"), colour);
    assert.doesNotMatch(narrow, /\p{Cc}(?<!\n)/u);

    const watching = new Child(
      "status --watch",
      node.space.command(command(node, "--watch", "--no-probe", "-o", "json")),
      { env: node.settings.env },
    );
    await watching.line(/"ready":true/, { withinMs: patience(10_000) });
    await other.stopAgent();
    await lab.api.patch("n2", { metadata: { annotations: null } });
    await watching.line(/"code":"no-key"/, { withinMs: patience(10_000) });
    assert.equal(await watching.stop("SIGINT"), -2, "130 for a shell");
  },
);

/** A real one, of 40 columns and 12 lines. @param line a command for the shell */
async function showsOnTerminal(node: LabNode, line: string): Promise<void> {
  const watch = async (term: string): Promise<string> => {
    let all = "";
    const decoder = new TextDecoder();
    const child = new Child(
      "status --watch on a terminal",
      node.space.command([
        ...["script", "--quiet", "--command"],
        `stty cols 40 rows 12; NO_COLOR= TERM=${term} exec ${line} --watch`,
        "/dev/null",
      ]),
      {
        env: node.settings.env,
        onBytes: (bytes) => all += decoder.decode(bytes, { stream: true }),
      },
    );
    try {
      const shown = term === "dumb" ? 1 : 2;
      await eventually(
        `it has been shown ${shown} times`,
        () =>
          Promise.resolve(
            // deno-lint-ignore no-control-regex
            all.split(/healthy[^]*?\n(?:\x1b\[J|n2 )/).length > shown ||
              undefined,
          ),
        patience(10_000),
      );
    } finally {
      // The terminal is gone with it, and with that what runs on it.
      await child.stop("SIGKILL");
    }
    return all;
  };
  const [first = "", ...frames] = (await watch("xterm")).split("\x1b[H");
  assert.equal(first, "\x1b[2J", "it begins on an empty screen");
  assert.ok(frames.length >= 2, "and draws over what is there");
  const frame = frames[0] ?? "";
  assert.ok(frame.includes("\x1b[32mhealthy\x1b[0m"), frame);
  // deno-lint-ignore no-control-regex
  assert.match(frame, /… \d+ more lines\x1b\[K\r\n\x1b\[J$/);
  // deno-lint-ignore no-control-regex
  const plain = frame.replaceAll(/\x1b\[[\d;]*[A-Za-z]/g, "");
  const lines = plain.trimEnd().split("\r\n");
  assert.equal(lines.length, 11);
  for (const each of lines) assert.ok([...each].length <= 40, each);
  const dumb = await watch("dumb");
  assert.doesNotMatch(dumb, /\p{Cc}(?<![\r\n])/u);
  for (const each of dumb.split("\r\n")) {
    assert.ok([...each].length <= 40, each);
  }
}

labTest(
  "hostile clients of socket and port cost no packet, and changes are applied meanwhile",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const node = firstNode(lab);
    const program = `
      const path = ${JSON.stringify(SOCKET)};
      const places = [{ transport: "unix", path }, { hostname: "127.0.0.1", port: 7839 }];
      const pause = (ms) => new Promise((done) => setTimeout(done, ms));
      const bytes = (text) => new TextEncoder().encode(text);
      const again = async (place, deed) => {
        for (let sent = 0;; sent++) {
          try { await deed(await Deno.connect(place), sent); } catch { await pause(1); }
        }
      };
      const ask = "GET /v1/status?probe=1 HTTP/1.1\\r\\nhost: localhost\\r\\n";
      const slowly = async (client) => {
        await client.write(bytes(ask));
        for (;;) { await pause(100); await client.write(bytes("x")); }
      };
      const hugely = async (client) => {
        await client.write(bytes(ask + "x: " + "x".repeat(1 << 20)));
        client.close();
      };
      const often = async (client, sent) => {
        await client.write(bytes(ask + "\\r\\n"));
        if (sent % 2) client.close();
      };
      for (const place of places) {
        await Promise.all(Array.from({ length: 50 }, () => Deno.connect(place)));
        for (let n = 0; n < 20; n++) again(place, slowly);
        again(place, hugely);
        again(place, often);
      }
      console.log("at work");
      setTimeout(() => console.log("worked on"), 6000);`;
    await losesNothing(lab, async () => {
      const flood = new Child(
        "a flood of clients",
        node.space.command([Deno.execPath(), "eval", program]),
        { env: node.settings.env },
      );
      try {
        await flood.line(/^at work$/, { withinMs: patience(10_000) });
        const from = node.agent?.lines.length ?? 0;
        await lab.api.create({
          metadata: { name: "stranger" },
          spec: { podCIDRs: ["10.0.77.0/24"] },
          status: { addresses: [] },
        });
        await node.agent?.line(/stranger/, {
          ...{ from, withinMs: patience(3_000) },
        });
        // Longer than the agent waits for a request.
        await flood.line(/^worked on$/, { withinMs: patience(20_000) });
      } finally {
        await flood.stop("SIGKILL");
      }
    });
    const { code } = await status(node, "--no-probe");
    assert.equal(code, 0);
  },
);

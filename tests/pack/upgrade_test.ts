/**
 * Nodes that get another version of the executable while their pods talk to each
 * other: forwards, backwards, one by one. What is replaced is the file, what is
 * restarted is the agent; nothing else changes, and no packet is lost.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { commitOf } from "../../deploy/entry.ts";
import { stateFileOf } from "../../mod/sys/state_file.ts";
import {
  addPods,
  labTest,
  losesNothingBothWays,
  settled,
} from "../lab/harness.ts";
import type { Lab } from "../lab/lab.ts";
import {
  dataPlane,
  peerLines,
  ready,
  sentences,
  writesOf,
} from "../lab/look.ts";
import type { LabNode } from "../lab/node.ts";
import { tempDir } from "../support/temp_dir.ts";
import { buildPrevious, findPrevious } from "./previous_build.ts";

const ROOT = new URL("../../", import.meta.url);

const BUILT = fileURLToPath(new URL(".build/bundled/clusternet", ROOT));

/** Where every node has a disk of its own, with the executable and its runtime. */
const PLACE = "/run/program";

const PROGRAM = `${PLACE}/clusternet`;

const AGENT = [PROGRAM, "--runtime-dir", `${PLACE}/runtime`];

/** Seconds for which a session lasts before it is renewed (WireGuard paper, 6.1). */
const REKEY_AFTER_SECONDS = 120;

const previous = await findPrevious();

if (typeof previous === "string") {
  const name = "upgrade and downgrade";
  console.log(`SKIPPED ${name}: ${previous}`);
  Deno.test({ name, ignore: true, fn: () => {} });
} else {
  const name =
    `an upgrade from ${previous.what}, the way back, and the refusal of a newer state lose no packet`;
  labTest(name, { nodes: 2, agent: AGENT }, async (lab) => {
    await using dir = await tempDir();
    const old = await buildPrevious(previous, dir.path);
    await lab.boot();
    for (const node of lab.nodes) {
      const disk = `${dir.path}/${node.name}`;
      await Deno.mkdir(disk);
      await node.space.sh(`mkdir -p ${PLACE}; mount --bind ${disk} ${PLACE}`);
      await replaceFile(node, old);
    }
    await connect(lab);
    await losesNothingBothWays(lab, async () => {
      await everyNodeGets(lab, BUILT, await commitOf(ROOT));
      await everyNodeGets(lab, old, previous.commit);
    });
    await losesNothingBothWays(lab, () => refusesNewerState(lab));
    await Promise.all(lab.nodes.map((node) => node.stopAgent()));
    for (const node of lab.nodes) await node.space.must(["umount", PLACE]);
  });
}

/** One by one: in between, one is old and one is new. */
async function everyNodeGets(
  lab: Lab,
  file: string,
  commit: string | undefined,
): Promise<void> {
  for (const node of lab.nodes) {
    await keeps(lab, node, async () => {
      await replaceFile(node, file);
      assert.equal(await node.stopAgent(), 0);
      node.startAgent();
      await ready(node);
    });
    assert.equal(await runningCommit(node), commit);
  }
}

async function refusesNewerState(lab: Lab): Promise<void> {
  const [node] = lab.nodes;
  assert.ok(node !== undefined);
  const state = stateFileOf(node.keyFile);
  const newer = '{"format":99,"writtenBy":"99.1.0","keys":{}}\n';
  await keeps(lab, node, async () => {
    await node.stopAgent();
    await node.space.sh(`printf '%s' '${newer}' > ${state}`);
    await replaceFile(node, BUILT);
    const agent = node.startAgent();
    assert.equal(await agent.ended, 1, agent.lines.join("\n"));
    const [sentence = "", ...more] = sentences(agent.lines.join("\n"));
    assert.match(
      sentence,
      /^clusternet: Cannot use state file .*state\.json: clusternet 99\.1\.0 wrote it in format 99, .*; install 99\.1\.0 or a later one again$/,
    );
    assert.deepEqual(more, []);
    assert.equal(await node.space.must(["cat", state]), newer);
    await node.space.must(["rm", state]);
    node.startAgent();
    await ready(node);
  });
}

/** As `mv`: whoever runs the old one goes on with it. */
async function replaceFile(node: LabNode, file: string): Promise<void> {
  await node.space.sh(
    `cp ${file} ${PLACE}/.new; sync ${PLACE}/.new; mv ${PLACE}/.new ${PROGRAM}`,
  );
}

async function connect(lab: Lab): Promise<void> {
  await lab.register();
  await lab.assignPodCidrs();
  for (const node of lab.nodes) node.startAgent();
  await settled(lab);
  await addPods(lab, 1);
  // The sessions begin with the first packet.
  await losesNothingBothWays(lab, () => Promise.resolve());
}

async function runningCommit(node: LabNode): Promise<string | undefined> {
  const said = await node.space.must([...AGENT, "version"]);
  return said.match(/\(commit (\S+),/)?.[1];
}

/** Of a node, all that must outlive its agent's version. */
interface Kept {
  readonly key: string;
  readonly link: string;
  readonly dataPlane: string;
  readonly peers: readonly string[];
  /** The process that holds the link, where the kernel does not. */
  readonly holder: number | undefined;
  readonly published: unknown;
  readonly writes: Readonly<Record<string, number>>;
}

async function keeps(
  lab: Lab,
  node: LabNode,
  deed: () => Promise<void>,
): Promise<void> {
  const before = await look(lab, node);
  const sessions = await sessionsOf(node);
  await deed();
  assert.deepEqual(await look(lab, node), before);
  const after = await sessionsOf(node);
  assert.deepEqual([...after.keys()], [...sessions.keys()]);
  for (const [peer, then] of sessions) {
    const now = after.get(peer);
    assert.ok(now !== undefined);
    assert.ok(now.received > then.received, "the counters went on");
    assert.ok(now.sent > then.sent, "the counters went on");
    // By itself a session is renewed in time, and never lost.
    const age = Date.now() / 1000 - then.handshake;
    if (age < REKEY_AFTER_SECONDS) assert.equal(now.handshake, then.handshake);
    else assert.ok(now.handshake >= then.handshake);
  }
}

interface Session {
  /** Time of the handshake, seconds since 1970. */
  readonly handshake: number;
  /** Bytes. */
  readonly received: number;
  readonly sent: number;
}

/** By the key of the peer. */
async function sessionsOf(
  node: LabNode,
): Promise<ReadonlyMap<string, Session>> {
  const dump = await node.space.must(["wg", "show", "clusternet", "dump"]);
  return new Map(
    dump.trim().split("\n").slice(1).map((line) => {
      const [key = "", , , , ...numbers] = line.split("\t");
      const [handshake = 0, received = 0, sent = 0] = numbers.map(Number);
      return [key, { handshake, received, sent }];
    }),
  );
}

async function look(lab: Lab, node: LabNode): Promise<Kept> {
  const { metadata } = await lab.api.node(node.name);
  return {
    key: await node.space.must(["sha256sum", node.keyFile]),
    link: await node.space.sh("ip -o link show clusternet | cut -d: -f1"),
    dataPlane: await dataPlane(node),
    peers: await peerLines(node),
    holder: node.wireguardGo?.pid,
    published: metadata.annotations,
    writes: await writesOf(lab),
  };
}

/**
 * The reflector on a real API server: how Nodes come, and that they go on
 * coming whatever the server does on a usual day.
 *
 * @module
 */

import assert from "node:assert/strict";
import { TcpProxy } from "../fakes/tcp_proxy.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import { eventually } from "../lab/harness.ts";
import { auditFlags } from "./audit.ts";
import { holdOnlySeat } from "./fairness.ts";
import { addKubeletNodes, addNode, NODES, setKey } from "./nodes.ts";
import { ownNodeTests } from "./own_node.ts";
import { SharedPlane } from "./shared_plane.ts";
import { addServiceAccount, signedToken, TokenFolder } from "./tokens.ts";
import { allowAgents, denyAgents, Watcher } from "./watcher.ts";

/** Lives as long as the API server. */
let quiet: Watcher;

const shared = new SharedPlane(
  (folder) => ({ flags: { "kube-apiserver": auditFlags(folder) } }),
  async (plane) => {
    await allowAgents(plane);
    await addKubeletNodes(plane.admin, 0, 2);
    quiet = await Watcher.start(plane, { user: "quiet" });
  },
);

for (const json of [false, true]) {
  const encoding = json ? "JSON, where that is asked for" : "protobuf";
  shared.test(
    `one streamed list brings all Nodes, and each change after it at once, as ${encoding}`,
    async (plane) => {
      const { admin } = plane;
      await using watcher = await Watcher.start(plane, {
        user: `streams-${json}`,
        json,
      });
      await watcher.settled();
      await addNode(admin, "late");
      await setKey(admin, "node-1", "K1=");
      await admin.delete(`${NODES}/late`);
      await eventually("all of it came", () => {
        return Promise.resolve(watcher.sink.calls.length >= 4 || undefined);
      });
      await watcher.settled();
      assert.deepEqual(watcher.sink.calls, [
        "replace node-0 node-1 node-2",
        "upsert late",
        "upsert node-1",
        "remove late",
      ]);
      assert.deepEqual(watcher.asked, ["stream"]);
      const upserts = watcher.events.filter(({ kind }) => kind === "upsert");
      for (const event of upserts) assert.equal("fingerprint" in event, !json);
      await setKey(admin, "node-1", null);
    },
  );
}

shared.test(
  "watches end at the server's time-out and go on from a bookmark, without a list",
  async (plane) => {
    const { admin } = plane;
    await using watcher = await Watcher.start(plane, {
      user: "timeouts",
      watchSeconds: 5,
    });
    await watcher.settled();
    // Others write as well, so that no Node is of the newest version.
    const { metadata } = await admin.create(
      "/api/v1/namespaces/default/configmaps",
      { metadata: { name: "any" } },
    );
    await watcher.settled(); // a consistent list takes the server's cache there
    await eventually("a second watch", () => {
      return Promise.resolve(watcher.served.length >= 2 || undefined);
    }, 15_000);
    await addNode(admin, "between");
    await eventually("a third watch", () => {
      return Promise.resolve(watcher.served.length >= 3 || undefined);
    }, 15_000);
    await admin.delete(`${NODES}/between`);
    await watcher.settled();
    assert.deepEqual(watcher.asked, ["stream", "watch", "watch"]);
    const { path = "" } = watcher.served[1] ?? {};
    const [, from] = /[?&]resourceVersion=(\d+)/.exec(path) ?? [];
    const bookmarks = watcher.events.filter((event) =>
      event.kind === "bookmark" && event.resourceVersion === from
    );
    assert.ok(bookmarks.length > 0, `${from} is of no bookmark`);
    assert.ok(Number(from) >= Number(metadata.resourceVersion));
    assert.deepEqual(watcher.sink.calls.slice(1), [
      "upsert between",
      "remove between",
    ]);
    assert.equal(watcher.reflector.status.lastError, undefined);
  },
);

shared.test(
  "a connection that breaks is made anew, and the watch goes on without a list",
  async (plane) => {
    await using wire = new TcpProxy(plane.options.port ?? 6443);
    await using watcher = await Watcher.start(plane, {
      user: "cut",
      port: wire.port,
    });
    await watcher.settled();
    wire.refusing = true;
    wire.cut();
    await addNode(plane.admin, "meanwhile");
    await setKey(plane.admin, "node-2", "K2=");
    await eventually("the agent says so", () => {
      const { lastError } = watcher.reflector.status;
      return Promise.resolve(
        /^Cannot reach/.test(lastError?.text ?? "") || undefined,
      );
    });
    wire.refusing = false;
    await watcher.settled();
    assert.deepEqual(watcher.asked, ["stream", "watch"]);
    assert.deepEqual(watcher.sink.calls.slice(1).sort(), [
      "upsert meanwhile",
      "upsert node-2",
    ]);
    await plane.admin.delete(`${NODES}/meanwhile`);
    await setKey(plane.admin, "node-2", null);
  },
);

shared.test(
  "429 of API Priority and Fairness is waited out as asked, and costs no list",
  async (plane) => {
    // By its own pace alone it would come again after half a second.
    const clock = { ...systemClock, random: () => 0 };
    await using watcher = await Watcher.start(plane, {
      user: "busy",
      watchSeconds: 5,
      clock,
    });
    await watcher.settled();
    const holding = await holdOnlySeat(plane, "busy");
    await eventually("three refusals", () => {
      return Promise.resolve(watcher.refused.length >= 3 || undefined);
    }, 30_000);
    assert.match(
      watcher.reflector.status.lastError?.text ?? "",
      /^Cannot watch Nodes: 429 .*; waiting as asked$/,
    );
    await holding[Symbol.asyncDispose]();
    await addNode(plane.admin, "afterwards");
    await watcher.settled();
    for (const [at, { error }] of watcher.refused.entries()) {
      const asked = error.retryAfterSeconds ?? 0;
      assert.ok(asked >= 1, `Retry-After: ${asked}`);
      const all = watcher.served.filter(({ kind }) => kind === "watch");
      const waited = ((all[at + 1]?.at ?? 0) - (all[at]?.at ?? 0)) / 1_000;
      assert.ok(waited >= asked, `asked for ${asked} s, waited ${waited} s`);
    }
    assert.equal(watcher.lists, 1);
    assert.deepEqual(watcher.sink.calls.slice(1), ["upsert afterwards"]);
    await plane.admin.delete(`${NODES}/afterwards`);
  },
);

shared.test(
  "403 keeps what is there and says what to grant; once granted, the watch goes on",
  async (plane) => {
    await using wire = new TcpProxy(plane.options.port ?? 6443);
    await using watcher = await Watcher.start(plane, {
      user: "denied",
      port: wire.port,
    });
    await watcher.settled();
    const allow = await denyAgents(plane);
    try {
      wire.cut();
      await eventually("a refusal", () => {
        return Promise.resolve(watcher.refused.length > 0 || undefined);
      });
      assert.match(
        watcher.reflector.status.lastError?.text ?? "",
        /^Cannot watch Nodes: 403 Forbidden: nodes is forbidden: User "denied" cannot watch resource "nodes" .*; grant nodes list,watch: /,
      );
    } finally {
      await allow();
    }
    await setKey(plane.admin, "node-0", "K0=");
    await watcher.settled();
    assert.deepEqual(watcher.sink.calls.slice(1), ["upsert node-0"]);
    assert.equal(watcher.lists, 1);
    await setKey(plane.admin, "node-0", null);
  },
);

shared.test(
  "a token that has expired is read again at once on 401, or as soon as it is there",
  async (plane) => {
    await using wire = new TcpProxy(plane.options.port ?? 6443);
    const account = await addServiceAccount(plane, "agent");
    const first = signedToken(plane, account, 4);
    const start = async (name: string): Promise<[TokenFolder, Watcher]> => {
      const folder = new TokenFolder(`${plane.options.folder}/${name}`, {
        ca: plane.credentials.ca,
        token: first,
      });
      const watcher = await Watcher.start(plane, {
        user: "system:serviceaccount:default:agent",
        serviceAccountDir: folder.path,
        port: wire.port,
      });
      return [folder, watcher];
    };
    const [early, one] = await start("early");
    const [late, other] = await start("late");
    await using _one = one;
    await using _other = other;
    await one.settled();
    await other.settled();
    early.rotate(signedToken(plane, account, 600));
    // A token that the API server has seen well is good for ten seconds more.
    using client = plane.withToken(first);
    await eventually("it has expired", async () => {
      return (await client.call("GET", NODES)).status === 401 || undefined;
    }, 30_000);
    wire.cut();
    await addNode(plane.admin, "rotated");
    await one.settled();
    assert.deepEqual(one.refused, []);
    await eventually("the other is refused", () => {
      return Promise.resolve(other.refused.length > 0 || undefined);
    });
    assert.match(
      other.reflector.status.lastError?.text ?? "",
      /^Cannot watch Nodes: 401 Unauthorized.*; the token .*late\/token expired at /,
    );
    late.rotate(signedToken(plane, account, 600));
    await other.settled();
    for (const { sink } of [one, other]) {
      assert.deepEqual(sink.calls.slice(1), ["upsert rotated"]);
    }
    assert.equal(one.lists, 2, "one each: they are the same user");
    await plane.admin.delete(`${NODES}/rotated`);
  },
);

ownNodeTests(shared);

shared.test(
  "a bookmark comes about every minute, so that a watch that lives on is never silent for long",
  async () => {
    await using watcher = quiet;
    // One comes soon after the list; the next is due after a minute.
    const late = (): boolean =>
      watcher.heard.some(({ event, at }) =>
        event.kind === "bookmark" && at - watcher.startedAt > 30_000
      );
    await eventually("a bookmark comes", () => {
      return Promise.resolve(late() || undefined);
    }, 100_000);
    await watcher.settled();
    assert.deepEqual(watcher.asked, ["stream"]);
  },
);

/**
 * API servers that go and come again under a watch, etcd compacted meanwhile.
 *
 * An API server that starts serves watches only from the version on that it has
 * found in etcd: who has seen less has to list anew, once. Another one that has
 * been there all the time goes on from where the first ended.
 *
 * @module
 */

import assert from "node:assert/strict";
import { TcpProxy } from "../fakes/tcp_proxy.ts";
import { eventually } from "../lab/harness.ts";
import { scaledClock } from "../support/scaled_clock.ts";
import { auditFlags } from "./audit.ts";
import { addKubeletNodes, addNode, NODES, setKey } from "./nodes.ts";
import { SharedPlane } from "./shared_plane.ts";
import { allowAgents, Watcher } from "./watcher.ts";

const SECOND_PORT = 6444;

/** An API server takes a few seconds to start: nobody needs to wait longer. */
const clock = scaledClock(5);

const shared = new SharedPlane(
  (folder) => ({
    flags: {
      "kube-apiserver": {
        ...auditFlags(folder),
        // Else it waits for its watches, for as long as a request may take.
        "shutdown-watch-termination-grace-period": "1s",
      },
    },
  }),
  async (plane) => {
    await allowAgents(plane);
    await addKubeletNodes(plane.admin, 0, 2);
  },
);

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  shared.test(
    `an API server that ends by ${signal} and starts anew costs at most one list, and nobody`,
    async (plane) => {
      await using watcher = await Watcher.start(plane, { user: signal, clock });
      await watcher.settled();
      await plane.stop("kube-apiserver", signal);
      await away(watcher);
      await plane.startApiServer();
      await setKey(plane.admin, "node-1", `${signal}=`);
      await watcher.settled();
      watcher.lostNobody();
      assert.ok(watcher.lists <= 2, watcher.asked.join());
      assert.equal(watcher.reflector.status.lastError, undefined);
    },
  );
}

shared.test(
  "where etcd has been compacted under a watch, one list (410) brings what changed, and loses nobody",
  async (plane) => {
    const { admin } = plane;
    await using wire = new TcpProxy(plane.options.port ?? 6443);
    await using watcher = await Watcher.start(plane, {
      user: "compacted",
      clock,
      port: wire.port,
    });
    await watcher.settled();
    wire.refusing = true;
    wire.cut();
    await addNode(admin, "passing");
    await setKey(admin, "node-2", "compacted=");
    await addNode(admin, "staying");
    await admin.delete(`${NODES}/passing`);
    await plane.compact();
    // Its cache would hold what etcd has forgotten.
    await plane.stop("kube-apiserver", "SIGKILL");
    await plane.startApiServer();
    wire.refusing = false;
    await watcher.settled();
    const gone = watcher.events.filter((event) => event.kind === "error");
    assert.deepEqual(gone.map(({ status }) => status.code), [410]);
    assert.equal(watcher.lists, 2, watcher.asked.join());
    assert.deepEqual(watcher.sink.calls.slice(1), [
      "replace node-0 node-1 node-2 staying",
    ]);
    await admin.delete(`${NODES}/staying`);
  },
);

shared.test(
  "where another API server stands by, the watch goes on there without a list",
  async (plane) => {
    const { admin } = plane;
    const port = plane.options.port ?? 6443;
    await plane.startAnotherApiServer(SECOND_PORT);
    await using wire = new TcpProxy(port);
    await using watcher = await Watcher.start(plane, {
      user: "moving",
      port: wire.port,
    });
    await watcher.settled();
    wire.refusing = true;
    wire.cut();
    await addNode(admin, "meanwhile");
    await setKey(admin, "node-0", "moved=");
    await plane.stop("kube-apiserver", "SIGKILL");
    wire.target = SECOND_PORT;
    wire.refusing = false;
    await eventually("both changes came", () => {
      return Promise.resolve(watcher.sink.calls.length >= 3 || undefined);
    }, 20_000);
    assert.deepEqual(watcher.sink.calls.slice(1), [
      "upsert meanwhile",
      "upsert node-0",
    ]);
    assert.deepEqual(watcher.asked, ["stream", "watch"]);
  },
);

async function away(watcher: Watcher): Promise<void> {
  await eventually("the agent says that the API server is away", () => {
    const { lastError } = watcher.reflector.status;
    return Promise.resolve(
      /^Cannot reach/.test(lastError?.text ?? "") || undefined,
    );
  }, 30_000);
}

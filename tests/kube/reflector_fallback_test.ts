/**
 * Control planes that cannot stream a list: Nodes come in pages there.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WatchEvent } from "../../mod/wire/node_json.ts";
import { inTurns } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { auditFlags } from "./audit.ts";
import type { ControlPlane } from "./control_plane.ts";
import { addKubeletNodes, addNode, setKey } from "./nodes.ts";
import { SharedPlane } from "./shared_plane.ts";
import { allowAgents, Watcher } from "./watcher.ts";

/** The distribution's: 3.4.23 in Debian 12. */
const OLD_ETCD = "/usr/bin/etcd";
const isOld = reportsNoProgress(await versionOf(OLD_ETCD));

/** Of an API server that may not stream lists. */
const GATED_PORT = 6444;

/** More than two pages. */
const NAMES = Array.from({ length: 1_010 }, (_, at) => `bare-${at}`);

const shared = new SharedPlane(
  (folder) => ({
    flags: { "kube-apiserver": auditFlags(folder) },
    programs: isOld ? { etcd: OLD_ETCD } : {},
  }),
  async (plane) => {
    await allowAgents(plane);
    await addKubeletNodes(plane.admin, 0, 2);
    await inTurns(NAMES, (name) => addNode(plane.admin, name), 8);
    await plane.startAnotherApiServer(GATED_PORT, {
      "feature-gates": "WatchList=false",
    });
  },
);

const PAGES = ["list", "list", "list", "watch"];

for (const json of [false, true]) {
  const encoding = json ? "JSON" : "protobuf";
  shared.test(
    `with an etcd that reports no progress, Nodes come in pages (${encoding})`,
    async (plane) => {
      await using watcher = await Watcher.start(plane, {
        user: `old-etcd-${json}`,
        json,
      });
      const [error] = await falls(plane, watcher);
      assert.ok(error?.kind === "error", "an ERROR event in a stream of 200");
      assert.deepEqual([error.status.code, error.status.reason], [
        500,
        "InternalError",
      ]);
      assert.match(error.status.message, /RequestWatchProgress is disabled$/);
      assert.deepEqual(watcher.asked, ["stream", ...PAGES]);
    },
    { needs: isOld ? undefined : "an etcd older than 3.4.31 in /usr/bin" },
  );

  shared.test(
    `where the API server may stream no lists (422), Nodes come in pages (${encoding})`,
    async (plane) => {
      await using watcher = await Watcher.start(plane, {
        user: `gated-${json}`,
        port: GATED_PORT,
        json,
      });
      assert.deepEqual(await falls(plane, watcher), []);
      const [{ error } = {}] = watcher.refused;
      assert.match(
        error?.status.message ?? "",
        /sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled/,
      );
      assert.deepEqual(watcher.asked, ["stream 422", ...PAGES]);
    },
  );
}

/** Until it has all, and has heard of a change. @returns its first events */
async function falls(
  { admin }: ControlPlane,
  watcher: Watcher,
): Promise<readonly WatchEvent[]> {
  await watcher.settled();
  await eventually("it watches", () => {
    return Promise.resolve(watcher.asked.includes("watch") || undefined);
  });
  const first = watcher.events.slice();
  assert.equal(watcher.sink.nodes.size, NAMES.length + 3);
  await setKey(admin, "node-1", "K1=");
  await eventually("a change comes", () => {
    return Promise.resolve(watcher.sink.calls.length >= 2 || undefined);
  });
  assert.deepEqual(watcher.sink.calls.slice(1), ["upsert node-1"]);
  await setKey(admin, "node-1", null);
  assert.equal(watcher.reflector.status.lastError, undefined);
  return first;
}

async function versionOf(etcd: string): Promise<readonly number[]> {
  const { stdout } = await new Deno.Command(etcd, { args: ["--version"] })
    .output();
  const text = new TextDecoder().decode(stdout);
  const [, version = ""] = /^etcd Version: ([0-9.]+)/m.exec(text) ?? [];
  return version.split(".").map(Number);
}

/** As kube-apiserver decides it: k8s.io/apiserver, feature_support_checker.go. */
function reportsNoProgress(
  [, minor = 0, patch = 0]: readonly number[],
): boolean {
  return minor < 4 || minor === 4 && patch < 31 || minor === 5 && patch < 13;
}

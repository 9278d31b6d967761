/**
 * Whatever is wanted, found and recorded: what the plan does to a machine leaves
 * nothing to do, and never touches what is neither ours nor wanted.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type FileAction,
  type Found,
  type Observed,
  planInstall,
  planUninstall,
  type RecordedFile,
  recordOf,
  type WantedFile,
} from "../../mod/core/file_plan.ts";
import { Random } from "../support/random.ts";

const RUNS = 2_000;

const PATHS = ["/a", "/b", "/c", "/d"];
const DIGESTS = ["1", "2", "3"];

function someFound(random: Random): Found {
  const kind = random.pick(["nothing", "file", "file", "file", "other"]);
  if (kind === "nothing") return { kind };
  if (kind === "other") return { kind, what: "a directory" };
  return {
    kind: "file",
    digest: random.pick(DIGESTS),
    mode: random.pick([0o644, 0o600]),
  };
}

function someWanted(random: Random): readonly WantedFile[] {
  return PATHS.filter(() => random.chance(0.7)).map((path) => ({
    path,
    digest: random.pick(DIGESTS),
    mode: 0o644,
    bytes: 1,
    config: path === "/d",
  }));
}

function someRecord(random: Random): readonly RecordedFile[] {
  return PATHS.filter(() => random.chance(0.6)).map((path) => ({
    path,
    digests: [random.pick(DIGESTS)],
    config: path === "/d",
  }));
}

/** What a machine does with them. */
function apply(
  found: ReadonlyMap<string, Found>,
  actions: readonly FileAction[],
): ReadonlyMap<string, Found> {
  const after = new Map(found);
  for (const action of actions) {
    switch (action.kind) {
      case "write": {
        const { path, digest, mode } = action.file;
        after.set(path, { kind: "file", digest, mode });
        break;
      }
      case "set-mode": {
        const there = after.get(action.path);
        assert(there?.kind === "file");
        after.set(action.path, { ...there, mode: action.mode });
        break;
      }
      case "back-up": {
        const there = after.get(action.path);
        assert(there?.kind === "file");
        after.set(action.to, there);
        break;
      }
      case "remove":
        assert.equal(after.get(action.path)?.kind, "file");
        after.set(action.path, { kind: "nothing" });
        break;
      case "remove-directory":
        assert.fail("no directory is planned here");
    }
  }
  return after;
}

function forEachRun(
  check: (random: Random, observed: Observed) => void,
): void {
  for (let seed = 0; seed < RUNS; seed++) {
    const random = new Random(seed);
    const observed = {
      found: new Map(PATHS.map((path) => [path, someFound(random)])),
      recorded: someRecord(random),
    };
    try {
      check(random, observed);
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    }
  }
}

Deno.test("planInstall() has nothing to do after it was done, wherever it was cut off", () => {
  forEachRun((random, { found, recorded }) => {
    const wanted = someWanted(random);
    const options = {
      force: random.chance(0.5),
      backupOf: (path: string): string => `${path}.bak`,
    };
    const plan = planInstall(wanted, { found, recorded }, options);
    if (plan.refused.length > 0) return;
    const during = recordOf(wanted, recorded);
    const cut = random.below(plan.actions.length + 1);
    const between = apply(found, plan.actions.slice(0, cut));
    const rest = planInstall(
      wanted,
      { found: between, recorded: during },
      options,
    );
    assert.deepEqual(rest.refused, []);
    const after = apply(between, rest.actions);
    assert.deepEqual(after, apply(found, plan.actions));
    const again = planInstall(
      wanted,
      { found: after, recorded: during },
      options,
    );
    assert.deepEqual(again.actions, []);
    assert.deepEqual(again.refused, []);
  });
});

Deno.test("without --force nothing is written over or removed that we did not write", () => {
  forEachRun((random, { found, recorded }) => {
    const wanted = someWanted(random);
    const ours = (path: string): boolean => {
      const there = found.get(path);
      return there?.kind === "file" &&
        recorded.some((one) =>
          one.path === path && one.digests.includes(there.digest)
        );
    };
    const install = planInstall(wanted, { found, recorded }, {
      force: false,
      backupOf: () => assert.fail("no copy without --force"),
    });
    const uninstall = planUninstall({ found, recorded }, {
      force: false,
      config: false,
    });
    for (const action of [...install.actions, ...uninstall.actions]) {
      if (action.kind === "remove") assert(ours(action.path), action.path);
      if (action.kind !== "write") continue;
      const { path } = action.file;
      assert(found.get(path)?.kind === "nothing" || ours(path), path);
    }
  });
});

Deno.test("planUninstall() has nothing to do after it was done", () => {
  forEachRun((random, { found, recorded }) => {
    const options = { force: random.chance(0.5), config: random.chance(0.5) };
    const { actions, kept } = planUninstall({ found, recorded }, options);
    const after = apply(found, actions);
    const again = planUninstall({ found: after, recorded }, options);
    assert.deepEqual(again.actions, []);
    assert.deepEqual(again.kept, kept);
  });
});

import assert from "node:assert/strict";
import {
  adoptedPaths,
  fileActionText,
  type Found,
  planInstall,
  planUninstall,
  type RecordedFile,
  recordOf,
  type WantedFile,
} from "../../mod/core/file_plan.ts";

const NEW = "a".repeat(64);
const OLD = "b".repeat(64);
const OTHER = "c".repeat(64);

const UNIT: WantedFile = {
  path: "/etc/unit",
  digest: NEW,
  mode: 0o644,
  bytes: 12,
  config: false,
};

function file(digest: string, mode = 0o644): Found {
  return { kind: "file", digest, mode };
}

function recorded(...digests: readonly string[]): readonly RecordedFile[] {
  return [{ path: UNIT.path, digests, config: false }];
}

interface Outcome {
  readonly actions: readonly string[];
  readonly kept: number;
  readonly refused: number;
}

function installOver(
  there: Found,
  record: readonly RecordedFile[],
  options: { readonly config?: boolean; readonly force?: boolean } = {},
): Outcome {
  const { config = false, force = false } = options;
  const { actions, kept, refused } = planInstall([{ ...UNIT, config }], {
    found: new Map([[UNIT.path, there]]),
    recorded: record,
  }, { force, backupOf: (path) => `${path}.bak` });
  return {
    actions: actions.map(fileActionText),
    kept: kept.length,
    refused: refused.length,
  };
}

const WRITE = "write /etc/unit (12 bytes)";
const REPLACE = "replace /etc/unit (12 bytes)";
const LINK: Found = { kind: "other", what: "a link to /dev/null" };

const ROWS: readonly [string, Outcome, Outcome][] = [
  [
    "writes what is not there",
    installOver({ kind: "nothing" }, []),
    { actions: [WRITE], kept: 0, refused: 0 },
  ],
  [
    "writes again what somebody removed",
    installOver({ kind: "nothing" }, recorded(NEW)),
    { actions: [WRITE], kept: 0, refused: 0 },
  ],
  [
    "leaves alone what is as it should be",
    installOver(file(NEW), recorded(NEW)),
    { actions: [], kept: 0, refused: 0 },
  ],
  [
    "adopts a file without record that is as it should be",
    installOver(file(NEW), []),
    { actions: [], kept: 0, refused: 0 },
  ],
  [
    "repairs permissions",
    installOver(file(NEW, 0o600), recorded(NEW)),
    { actions: ["chmod 0644 /etc/unit"], kept: 0, refused: 0 },
  ],
  [
    "replaces what it wrote itself",
    installOver(file(OLD), recorded(OLD)),
    { actions: [REPLACE], kept: 0, refused: 0 },
  ],
  [
    "goes on where an upgrade was killed before this file",
    installOver(file(OLD), recorded(OLD, NEW)),
    { actions: [REPLACE], kept: 0, refused: 0 },
  ],
  [
    "goes back to an older version where an upgrade was killed after this file",
    installOver(file(OTHER), recorded(OLD, OTHER)),
    { actions: [REPLACE], kept: 0, refused: 0 },
  ],
  [
    "refuses to replace what somebody changed",
    installOver(file(OTHER), recorded(OLD)),
    { actions: [], kept: 0, refused: 1 },
  ],
  [
    "refuses to replace what somebody else wrote",
    installOver(file(OTHER), []),
    { actions: [], kept: 0, refused: 1 },
  ],
  [
    "with --force keeps a copy of what somebody changed",
    installOver(file(OTHER), recorded(OLD), { force: true }),
    {
      actions: ["cp /etc/unit /etc/unit.bak", REPLACE],
      kept: 0,
      refused: 0,
    },
  ],
  [
    "refuses a link in its place, --force or not",
    installOver(LINK, recorded(OLD), { force: true }),
    { actions: [], kept: 0, refused: 1 },
  ],
  [
    "never writes the configuration again, --force or not",
    installOver(file(OTHER), [], { config: true, force: true }),
    { actions: [], kept: 1, refused: 0 },
  ],
];

for (const [claim, outcome, expected] of ROWS) {
  Deno.test(`planInstall() ${claim}`, () => {
    assert.deepEqual(outcome, expected);
  });
}

Deno.test("planInstall() removes what a new version has no more, unless somebody changed it", () => {
  for (const [digest, actions, kept] of [[OLD, 1, 0], [OTHER, 0, 1]] as const) {
    const plan = planInstall([], {
      found: new Map([[UNIT.path, file(digest)]]),
      recorded: recorded(OLD),
    }, { force: true, backupOf: (path) => path });
    assert.equal(plan.actions.length, actions);
    assert.equal(plan.kept.length, kept);
  }
});

Deno.test("planUninstall() removes what it wrote, and keeps the rest by name", () => {
  const rows = [
    { there: file(NEW), config: false, force: false, purge: false, removed: 1 },
    { there: file(OTHER), config: false, force: false, purge: false },
    { there: file(OTHER), config: false, force: false, purge: true },
    {
      there: file(OTHER),
      config: false,
      force: true,
      purge: false,
      removed: 1,
    },
    { there: file(NEW), config: true, force: true, purge: false },
    { there: file(OTHER), config: true, force: false, purge: true, removed: 1 },
    { there: LINK, config: false, force: true, purge: true },
  ];
  for (const { there, config, force, purge, removed = 0 } of rows) {
    const { actions, kept } = planUninstall({
      found: new Map([[UNIT.path, there]]),
      recorded: [{ path: UNIT.path, digests: [NEW], config }],
    }, { force, config: purge });
    const row = JSON.stringify({ there, config, force, purge });
    assert.equal(actions.length, removed, row);
    assert.equal(kept.length, 1 - removed, row);
    if (removed === 0) assert.match(kept[0] ?? "", /^\/etc\/unit stays: /);
  }
});

Deno.test("planUninstall() passes over what is gone", () => {
  const found = new Map([[UNIT.path, { kind: "nothing" } as const]]);
  assert.deepEqual(
    planUninstall({ found, recorded: recorded(NEW) }, {
      force: false,
      config: false,
    }),
    { actions: [], kept: [], refused: [] },
  );
});

Deno.test("recordOf() has what was ours and what will be", () => {
  const record = recordOf([UNIT], [
    ...recorded(OLD),
    { path: "/etc/stale", digests: [OTHER], config: false },
  ]);
  assert.deepEqual(record, [
    { path: UNIT.path, digests: [OLD, NEW], config: false },
    { path: "/etc/stale", digests: [OTHER], config: false },
  ]);
  assert.deepEqual(recordOf([UNIT], record), record);
});

Deno.test("adoptedPaths() has what is right already, but not by us", () => {
  const rows: readonly [Found, readonly RecordedFile[], boolean][] = [
    [file(NEW), [], true],
    [file(NEW), recorded(OLD), true],
    [file(NEW), recorded(OLD, NEW), false],
    [file(OLD), recorded(OLD), false],
    [{ kind: "nothing" }, [], false],
  ];
  for (const [there, record, adopted] of rows) {
    const found = new Map([[UNIT.path, there]]);
    assert.deepEqual(
      adoptedPaths([UNIT], { found, recorded: record }),
      adopted ? [UNIT.path] : [],
    );
  }
});

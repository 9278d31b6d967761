/**
 * The launcher and what may go wrong with its file, its directory and its time:
 * with little behind it, so that each case takes a moment.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { FOLDER } from "../support/bundled.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { Child, run, type RunResult } from "../lab/exec.ts";
import { smallExecutable, writeExecutable } from "./small_executable.ts";

const LAUNCHER = join(FOLDER, "launcher");
const SMALL = await smallExecutable(LAUNCHER, "one");
const NOBODY = 65_534;

interface Place extends AsyncDisposable {
  /** The executable. */
  readonly file: string;
  /** Of its runtimes. */
  readonly base: string;
  /** Of this one. */
  readonly runtime: string;
  start(...args: readonly string[]): Promise<RunResult>;
}

async function place(bytes: Uint8Array = SMALL.bytes): Promise<Place> {
  const dir = await tempDir();
  const file = join(dir.path, "clusternet");
  const base = join(dir.path, "state", "runtime");
  await writeExecutable(file, bytes);
  return {
    file,
    base,
    runtime: join(base, SMALL.name),
    start: (...args) => run([file, "--runtime-dir", base, ...args]),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

function namesIn(folder: string): readonly string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function assertRuns({ code, stdout, stderr }: RunResult, says = "one"): void {
  assert.deepEqual({ code, stdout, stderr }, {
    code: 0,
    stdout: `${says}\n`,
    stderr: "",
  });
}

function assertSays({ code, stdout, stderr }: RunResult, what: RegExp): void {
  assert.equal(stdout, "");
  assert.match(stderr, what);
  assert.match(stderr, /^clusternet: [^\n]+\n$/, "one line");
  assert.equal(code, 1);
}

Deno.test("the launcher unpacks once, for its owner alone", async () => {
  await using here = await place();
  assertRuns(await here.start());
  const first = Deno.statSync(here.runtime);
  assertRuns(await here.start());
  const second = Deno.statSync(here.runtime);
  assert.equal(second.ino, first.ino);
  assert.equal((second.mode ?? 0) & 0o777, 0o700);
  assert.deepEqual(namesIn(here.base), [SMALL.name]);
  assert.deepEqual(namesIn(here.runtime), [
    "clusternet",
    "clusternet.js",
    "libc.so.6",
  ]);
});

Deno.test("the program has arguments, exit code, umask and directories from the launcher", async () => {
  await using here = await place();
  const { code, stdout } = await run([
    ...["sh", "-c", 'umask 027; exec "$@"', "sh"],
    ...[here.file, "--runtime-dir", here.base, "umask; env; exit 7"],
  ], { env: { LD_PRELOAD: "", LD_LIBRARY_PATH: "/lib", LD_X: "" } });
  assert.equal(code, 7);
  const lines = stdout.trim().split("\n");
  assert.deepEqual(lines.slice(0, 2), ["one", "0027"]);
  const env = lines.slice(2).filter((line) =>
    /^(LD_|CLUSTERNET_|DENO_)/.test(line)
  );
  assert.deepEqual(env.sort(), [
    `CLUSTERNET_EXECUTABLE=${here.file}`,
    `CLUSTERNET_RUNTIME=${here.runtime}`,
    "DENO_DIR=/dev/null/deno",
    "DENO_LOG=info,deno::cache=off",
    "DENO_NO_UPDATE_CHECK=1",
  ]);
});

Deno.test("where Deno traces, the launcher says for whom and how long; what is set stays", async () => {
  await using here = await place();
  const traced = async (
    env: Readonly<Record<string, string>>,
  ): Promise<readonly string[]> => {
    const command = [here.file, "--runtime-dir", here.base, "env"];
    const { stdout } = await run(command, { env });
    return stdout.split("\n").filter((line) => line.startsWith("OTEL_")).sort();
  };
  assert.deepEqual(await traced({}), []);
  assert.deepEqual(await traced({ OTEL_DENO: "true" }), [
    "OTEL_DENO=true",
    "OTEL_DENO_CONSOLE=ignore",
    "OTEL_DENO_METRICS=false",
    "OTEL_EXPORTER_OTLP_TIMEOUT=500",
    "OTEL_SERVICE_NAME=clusternet",
  ]);
  const own = {
    OTEL_DENO: "true",
    OTEL_DENO_CONSOLE: "capture",
    OTEL_DENO_METRICS: "true",
    OTEL_EXPORTER_OTLP_TIMEOUT: "9",
    OTEL_SERVICE_NAME: "net",
  };
  assert.deepEqual(
    await traced(own),
    Object.entries(own).map(([name, value]) => `${name}=${value}`).sort(),
  );
});

const REGIONS: readonly (readonly [string, number])[] = [
  ["first frame's header", SMALL.frames + 1],
  ["frames", (SMALL.frames + SMALL.manifest) >> 1],
  ["frames' end", SMALL.manifest - 1],
  ["manifest", SMALL.manifest + 20],
  ["manifest's end", SMALL.trailer - 2],
  ["trailer's mark", SMALL.trailer + 3],
  ["trailer's sizes", SMALL.trailer + 30],
  ["trailer's sum", SMALL.trailer + 60],
];

for (const [region, at] of REGIONS) {
  Deno.test(`a file with damage in its ${region} says so, and leaves nothing`, async () => {
    const bytes = SMALL.bytes.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 0x41;
    await using here = await place(bytes);
    assertSays(await here.start(), /damaged|cut short/);
    if (region.startsWith("f")) assert.deepEqual(namesIn(here.base), []);
  });
}

for (const [region, at] of REGIONS) {
  Deno.test(`a file that is cut off in its ${region} says so`, async () => {
    await using here = await place(SMALL.bytes.slice(0, at));
    assertSays(await here.start(), /cut short/);
  });
}

const FAULTS: readonly (readonly [string, (file: string) => void])[] = [
  ["is missing", (file) => Deno.removeSync(file)],
  ["is shorter", (file) => Deno.truncateSync(file, 1_000)],
  ["has another byte", (file) => {
    using open = Deno.openSync(file, { write: true });
    open.writeSync(new Uint8Array([7]));
  }],
  ["may be written by others", (file) => Deno.chmodSync(file, 0o666)],
  ["belongs to another user", (file) => Deno.chownSync(file, NOBODY, NOBODY)],
  ["is a link", (file) => {
    Deno.renameSync(file, `${file}.0`);
    Deno.symlinkSync(`${file}.0`, file);
  }],
];

for (const [what, damage] of FAULTS) {
  Deno.test({
    name: `a runtime in which a file ${what} is unpacked again`,
    ignore: skipped(what, { root: true }),
    fn: async () => {
      await using here = await place();
      assertRuns(await here.start());
      damage(join(here.runtime, "libc.so.6"));
      assertRuns(await here.start());
      const { code } = await here.start("--runtime-info");
      assert.equal(code, 0);
      assert.deepEqual(namesIn(here.base), [SMALL.name]);
    },
  });
}

Deno.test("--runtime-info prints versions and sums, and finds damage that hides its time", async () => {
  await using here = await place();
  const good = await here.start("--runtime-info");
  assert.equal(good.code, 0);
  assert.match(good.stdout, /^runtime \/.*\ndigest [0-9a-f]{64}\nversion /);
  assert.match(good.stdout, /^file 644 200000 [0-9a-f]{64} libc\.so\.6$/m);
  const file = join(here.runtime, "libc.so.6");
  const bytes = Deno.readFileSync(file);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  Deno.writeFileSync(file, bytes);
  Deno.utimeSync(file, 0, 0);
  const bad = await here.start("--runtime-info");
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /libc\.so\.6 is damaged\n$/);
});

Deno.test({
  name: "a directory that others can change is refused, and one above it",
  ignore: skipped("a directory that others can change", { root: true }),
  fn: async () => {
    await using here = await place();
    for (const folder of [here.base, join(here.base, "..")]) {
      await Deno.mkdir(here.base, { recursive: true });
      await Deno.chmod(folder, 0o777);
      assertSays(await here.start(), /another user could change it/);
      await Deno.chmod(folder, 0o755);
      await Deno.chown(folder, NOBODY, NOBODY);
      assertSays(await here.start(), /another user could change it/);
      await Deno.chown(folder, 0, 0);
      assertRuns(await here.start());
      await Deno.remove(here.base, { recursive: true });
    }
  },
});

Deno.test("ten starts at once all run, and one unpacks", async () => {
  await using here = await place();
  const starts = Array.from({ length: 10 }, () => here.start());
  for (const outcome of await Promise.all(starts)) assertRuns(outcome);
  assert.deepEqual(namesIn(here.base), [SMALL.name]);
});

Deno.test("a runtime that runs is kept, one that nobody uses goes with the next", async () => {
  await using here = await place();
  const running = new Child("one", [
    ...[here.file, "--runtime-dir", here.base, "echo up; exec sleep 60"],
  ]);
  await running.line(/^up$/, { withinMs: 10_000 });
  const others = [];
  for (const says of ["two", "three"]) {
    const other = await smallExecutable(LAUNCHER, says);
    others.push(other.name);
    await writeExecutable(`${here.file}-${says}`, other.bytes);
    const command = [`${here.file}-${says}`, "--runtime-dir", here.base];
    assertRuns(await run(command), says);
    assert.deepEqual(namesIn(here.base), [SMALL.name, other.name].sort());
    if (says === "two") continue;
    await running.stop("SIGKILL");
  }
  const four = await smallExecutable(LAUNCHER, "four");
  await writeExecutable(`${here.file}-four`, four.bytes);
  assertRuns(
    await run([`${here.file}-four`, "--runtime-dir", here.base]),
    "four",
  );
  assert.deepEqual(namesIn(here.base), [four.name]);
});

Deno.test("a runtime beside the launcher is used in place, but not one that others can change", async () => {
  await using here = await place();
  assertRuns(await here.start());
  const launcher = join(here.base, "..", "launcher");
  const beside = `${launcher}.runtime`;
  await Deno.copyFile(LAUNCHER, launcher);
  await Deno.rename(here.runtime, beside);
  assertSays(await run([launcher]), /its runtime is not beside it/);
  const { manifest, trailer, bytes } = SMALL;
  const text = bytes.slice(manifest, trailer);
  await Deno.writeFile(join(beside, "manifest"), text);
  assertRuns(await run([launcher]));
  await Deno.chmod(beside, 0o777);
  assertSays(await run([launcher]), /Cannot use the runtime/);
});

Deno.test({
  name:
    "killed at any call while it unpacks, the next start runs and leaves nothing half",
  ignore: skipped("killed while it unpacks", { commands: ["strace"] }),
  fn: async () => {
    const calls = await callsOfUnpacking();
    assert.ok(calls.length > 20, `only ${calls.length} calls`);
    for (const [name, count] of calls) {
      await using here = await place();
      const { code } = await run([
        ...["strace", "-f", "-qq", "-o", "/dev/null"],
        `--inject=${name}:signal=KILL:when=${count}`,
        ...[here.file, "--runtime-dir", here.base],
      ]);
      assert.notEqual(code, 0, `${name} ${count} did not kill it`);
      assertRuns(await here.start());
      assert.deepEqual(namesIn(here.base), [SMALL.name], `${name} ${count}`);
    }
  },
});

/** Those that change something: each by its name and the how-manieth of that name. */
async function callsOfUnpacking(): Promise<
  readonly (readonly [name: string, count: number])[]
> {
  await using here = await place();
  const trace = `${here.file}.trace`;
  const names = "mkdir,openat,write,fchmod,utimensat,fsync,rename,flock";
  await run([
    ...["strace", "-f", "-qq", "-o", trace, "-e", `trace=${names},execve`],
    ...[here.file, "--runtime-dir", here.base],
  ]);
  const counts = new Map<string, number>();
  const calls: (readonly [string, number])[] = [];
  for (
    const [, name = ""] of (await Deno.readTextFile(trace))
      .matchAll(/^\d+ +([a-z0-9_]+)\(/gm)
  ) {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    // The second: what was unpacked.
    if (name === "execve" && count === 2) break;
    if (name !== "execve") calls.push([name, count]);
  }
  return calls;
}

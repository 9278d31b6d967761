import assert from "node:assert/strict";
import type { LogLevel } from "../../mod/core/log.ts";
import {
  type Fields,
  jsonLine,
  logfmtLine,
  type LogOptions,
  LogWriter,
  textLine,
} from "../../mod/sys/log.ts";
import { Random } from "../support/random.ts";

const TIME = new Date("2026-11-22T15:50:39.123Z");
const now = (): Date => TIME;

function text(message: string, fields: Fields = {}): string {
  const level: LogLevel = "info";
  return textLine({ time: TIME, level, message, fields }, { journal: false });
}

function json(message: string, fields: Fields = {}): string {
  return jsonLine({ time: TIME, level: "info", message, fields });
}

function logfmt(message: string, fields: Fields = {}): string {
  return logfmtLine({ time: TIME, level: "info", message, fields });
}

/** Logs and gives back what the sink got. */
async function written(
  options: Omit<LogOptions, "sink">,
  say: (log: LogWriter) => void,
): Promise<string> {
  const parts: string[] = [];
  const log = new LogWriter({
    now,
    ...options,
    sink: (bytes) => {
      parts.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  });
  say(log);
  await log.flush();
  return parts.join("");
}

Deno.test("text has time, level, sentence and fields", async () => {
  const output = await written({ format: "text", level: "info" }, (log) => {
    log.info("Set up peer", { node: "n3", peers: 12, ready: true });
    log.debug("not seen");
    log.warn("Cannot use Node: no podCIDRs", { node: "n 4", none: undefined });
  });
  assert.equal(
    output,
    `2026-11-22T15:50:39.123Z info  Set up peer node=n3 peers=12 ready=true
2026-11-22T15:50:39.123Z warn  Cannot use Node: no podCIDRs node="n 4"
`,
  );
});

Deno.test("journald gets a priority instead of the time", async () => {
  const options = { format: "text", level: "debug", journal: true } as const;
  const output = await written(options, (log) => {
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d", { errno: 98 });
  });
  assert.equal(output, "<7>a\n<6>b\n<4>c\n<3>d errno=98\n");
});

Deno.test("json is one object a line, the three names of its own kept apart", async () => {
  const output = await written({ format: "json", level: "error" }, (log) => {
    log.warn("not seen");
    log.error("Bad", { time: "x", node: 'n"3', ratio: NaN });
  });
  assert.equal(
    output,
    '{"time":"2026-11-22T15:50:39.123Z","level":"error","message":"Bad","time_":"x","node":"n\\"3","ratio":"NaN"}\n',
  );
});

Deno.test("hostile text stays on its line and in its field", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["a\nb", '"a\\nb"'],
    ['a" level=error x="', '"a\\" level=error x=\\""'],
    ["back\\slash", '"back\\\\slash"'],
    ["\x1b[31mred", '"\\u001b[31mred"'],
    ["\u0085next", '"\\u0085next"'],
    ["\u2028line", '"\\u2028line"'],
    ["\u202etxt.exe", '"\\u202etxt.exe"'],
    ["lone \ud800", '"lone \ufffd"'],
    ["", '""'],
    ["key=", '"key="'],
    ["10.0.0.0/16", "10.0.0.0/16"],
    ["[2001:db8::1]:7838", "[2001:db8::1]:7838"],
  ];
  for (const [value, expected] of rows) {
    assert.equal(text("x", { value }).split(" value=")[1], expected);
  }
  assert.equal(text("a\nb\x00"), text("a\\nb\\u0000"));
  assert(text("x", { "a b=c": 1 }).endsWith(" a_b_c=1"));
});

Deno.test("any text makes one valid line of bounded size", () => {
  const random = new Random(23);
  for (let round = 0; round < 500; round++) {
    const units = Array.from(
      { length: random.below(6_000) },
      () => random.chance(0.5) ? random.below(256) : random.below(65_536),
    );
    const value = String.fromCharCode(...units);
    const fields = { [value.slice(0, 20)]: value, value };
    const lines = [text, json, logfmt].map((line) => line(value, fields));
    for (const line of lines) {
      assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029]/u);
      assert(line.length < 70_000, `${line.length}`);
    }
    assert.equal(typeof JSON.parse(json(value, fields)), "object");
  }
});

Deno.test("long values are cut, and too many of them left out", () => {
  const long = "x".repeat(100_000);
  const fields = Object.fromEntries(
    Array.from({ length: 100 }, (_, n) => [`f${n}`, long]),
  );
  assert(text(long, fields).length < 25_000);
  const parsed = JSON.parse(json(long, fields));
  assert.equal(parsed.message.length, 4_096);
  assert(parsed.message.endsWith("…"));
});

Deno.test("a sink that fails costs the lines, and nothing else", async () => {
  let calls = 0;
  const log = new LogWriter({
    format: "text",
    level: "info",
    sink: () => {
      calls++;
      return Promise.reject(new Deno.errors.BrokenPipe("Broken pipe"));
    },
  });
  log.info("a");
  await log.flush();
  log.info("b");
  await log.flush();
  assert.equal(calls, 2);
});

Deno.test("a sink that writes a little at a time gets everything, in order", async () => {
  const parts: string[] = [];
  const log = new LogWriter({
    format: "text",
    level: "info",
    journal: true,
    sink: (bytes) => {
      parts.push(new TextDecoder().decode(bytes.subarray(0, 3)));
      return Promise.resolve(Math.min(3, bytes.length));
    },
  });
  for (const word of ["one", "two", "three"]) log.info(word);
  await log.flush();
  assert.equal(parts.join(""), "<6>one\n<6>two\n<6>three\n");
});

Deno.test("a sink that is stuck holds up nobody, and the loss is told afterwards", async () => {
  const gate = Promise.withResolvers<void>();
  const parts: string[] = [];
  const log = new LogWriter({
    format: "text",
    level: "info",
    journal: true,
    sink: async (bytes) => {
      await gate.promise;
      parts.push(new TextDecoder().decode(bytes));
      return bytes.length;
    },
  });
  log.info("first");
  await Promise.resolve();
  for (let n = 0; n < 2_000; n++) log.info("x".repeat(1_000));
  await log.flush(10);
  assert.equal(parts.length, 0);
  gate.resolve();
  await log.flush();
  const output = parts.join("");
  assert(output.length < 1_100_000);
  const lost = /<4>Lost (\d+) log lines/.exec(output)?.[1];
  const kept = output.match(/<6>x/g)?.length ?? 0;
  assert.equal(Number(lost) + kept, 2_000);
});

/**
 * Strict: what go-logfmt's decoder takes, which Loki and Prometheus use, and
 * nothing that it would have to guess. Written from its grammar, not from ours.
 */
function readLogfmt(line: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  let rest = line;
  while (rest !== "") {
    const [whole, name, quoted, plain] =
      /^([^\s="\p{Cc}]+)=(?:("(?:[^"\\\p{Cc}]|\\.)*")|([^\s="\p{Cc}]*))(?: |$)/u
        .exec(rest) ?? [];
    assert(whole !== undefined && name !== undefined, rest);
    assert(!pairs.has(name), `${name} is there twice`);
    pairs.set(name, quoted === undefined ? plain ?? "" : JSON.parse(quoted));
    rest = rest.slice(whole.length);
  }
  return pairs;
}

Deno.test("logfmt has time, level, message and event as json has them, quoted where need be", async () => {
  const output = await written({ format: "logfmt", level: "info" }, (log) => {
    log.info("Ready: OK", { event: "ready", peers: 12 });
    log.warn("plain", { event: "noted", time: "x", reason: 'a "b"\n' });
  });
  assert.equal(
    output,
    'time=2026-11-22T15:50:39.123Z level=info message="Ready: OK" event=ready peers=12\n' +
      'time=2026-11-22T15:50:39.123Z level=warn message=plain event=noted time_=x reason="a \\"b\\"\\n"\n',
  );
});

Deno.test("text leaves the event to the sentence", () => {
  assert(text("Ready: OK", { event: "ready" }).endsWith(" info  Ready: OK"));
});

Deno.test("whatever is logged as logfmt is read back as it was, and as json has it", () => {
  const seed = Date.now();
  const random = new Random(seed);
  const some = (): string =>
    String.fromCharCode(
      ...Array.from(
        { length: random.below(40) },
        () => random.below(random.chance(0.5) ? 128 : 65_536),
      ),
    ).toWellFormed();
  for (let round = 0; round < 2_000; round++) {
    const [message, a] = [some(), some()];
    const b = random.below(1_000) / 8;
    const c = random.chance(0.5);
    const read = readLogfmt(logfmt(message, { a, b, c, d: undefined }));
    assert.deepEqual(
      [...read],
      [
        ["time", TIME.toISOString()],
        ["level", "info"],
        ["message", message],
        ["a", a],
        ["b", String(b)],
        ["c", String(c)],
      ],
      `seed ${seed}`,
    );
    const parsed = JSON.parse(json(message, { a, b, c }));
    assert.deepEqual([parsed.message, parsed.a], [message, a], `seed ${seed}`);
  }
});

/**
 * The key file: made once, refused when it is anything else, never rewritten.
 * Full and read-only disks, and a kill at each system call: `tests/lab/`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FatalError } from "../../mod/core/errors.ts";
import { derivePublicKey } from "../../mod/core/key.ts";
import { loadOrCreatePrivateKey } from "../../mod/sys/key_file.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { Random } from "../support/random.ts";
import { tempDir } from "../support/temp_dir.ts";

const shim = await loadShim();

/** RFC 7748, section 6.1: Alice */
const TEXT = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
const PUBLIC = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

async function publicKeyOf(file: string): Promise<string> {
  const { key } = await loadOrCreatePrivateKey(file, shim);
  return await derivePublicKey(key);
}

async function refuses(file: string, what: RegExp): Promise<void> {
  await assert.rejects(loadOrCreatePrivateKey(file, shim), (error) => {
    assert(error instanceof FatalError, Deno.inspect(error));
    assert.equal(error.exitCode, 1);
    assert.match(error.message, what);
    assert.match(error.message, /; \S/, "says the cure");
    assert(error.message.includes(file), "names the file");
    assert(!Deno.inspect(error, { depth: 9 }).includes(TEXT.slice(0, 8)));
    return true;
  });
}

function modeOf(path: string): number {
  return (Deno.lstatSync(path).mode ?? 0) & 0o7777;
}

Deno.test("loadOrCreatePrivateKey() makes a key once: 0600 in 0700, 44 characters and a newline", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/var/lib/clusternet/private.key`;
  const first = await loadOrCreatePrivateKey(file, shim);
  assert.equal(first.created, true);
  assert.equal(modeOf(file), 0o600);
  assert.equal(modeOf(`${dir.path}/var/lib/clusternet`), 0o700);
  const text = await Deno.readTextFile(file);
  assert.match(text, /^[A-Za-z0-9+/]{43}=\n$/);
  const again = await loadOrCreatePrivateKey(file, shim);
  assert.equal(again.created, false);
  assert.deepEqual(again.key.expose(), first.key.expose());
  assert.equal(await Deno.readTextFile(file), text);
  assert.deepEqual(
    [...Deno.readDirSync(`${dir.path}/var/lib/clusternet`)].map((it) =>
      it.name
    ),
    ["private.key"],
  );
});

Deno.test("loadOrCreatePrivateKey() makes no two keys alike", async () => {
  await using dir = await tempDir();
  const keys = new Set<string>();
  for (let n = 0; n < 20; n++) keys.add(await publicKeyOf(`${dir.path}/${n}`));
  assert.equal(keys.size, 20);
});

Deno.test("loadOrCreatePrivateKey() reads what wg genkey writes, newline or not", async () => {
  await using dir = await tempDir();
  for (const text of [TEXT, `${TEXT}\n`]) {
    const file = `${dir.path}/key${text.length}`;
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    assert.equal(await publicKeyOf(file), PUBLIC);
  }
});

Deno.test("loadOrCreatePrivateKey() refuses any other content and leaves it as it is", async () => {
  await using dir = await tempDir();
  const random = new Random(5);
  const rows: readonly (readonly [Uint8Array, RegExp])[] = [
    [bytes(""), /it is empty/],
    [bytes("\n"), /does not hold one private key/],
    [bytes(TEXT.slice(0, 43)), /does not hold/],
    [bytes(`${TEXT}\r\n`), /does not hold/],
    [bytes(`${TEXT}\n\n`), /does not hold/],
    [bytes(` ${TEXT}`), /does not hold/],
    [bytes(`${TEXT}${TEXT}`), /does not hold/],
    [bytes(`\ufeff${TEXT}`), /does not hold/],
    [bytes(TEXT.replace("4", "_")), /does not hold/],
    [bytes(`${"A".repeat(43)}=`), /does not hold/],
    [bytes(TEXT.slice(0, -2) + "p="), /does not hold/],
    [new Uint8Array(45), /does not hold/],
    [random.bytes(32), /does not hold/],
    [random.bytes(4_096), /does not hold/],
  ];
  for (const [index, [content, what]] of rows.entries()) {
    const file = `${dir.path}/key${index}`;
    await Deno.writeFile(file, content, { mode: 0o600 });
    await refuses(file, what);
    assert.deepEqual(await Deno.readFile(file), content);
  }
});

Deno.test("loadOrCreatePrivateKey() takes random bytes for no key, whatever their number", async () => {
  await using dir = await tempDir();
  const random = new Random(17);
  const file = `${dir.path}/key`;
  for (let round = 0; round < 300; round++) {
    const content = random.bytes(random.below(200));
    await Deno.writeFile(file, content, { mode: 0o600 });
    await assert.rejects(loadOrCreatePrivateKey(file, shim), FatalError);
    assert.deepEqual(await Deno.readFile(file), content);
  }
});

Deno.test("loadOrCreatePrivateKey() refuses a file that others may read or write", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/key`;
  await Deno.writeTextFile(file, TEXT);
  for (const mode of [0o644, 0o640, 0o604, 0o620, 0o666, 0o601]) {
    await Deno.chmod(file, mode);
    await refuses(
      file,
      /others may read or write it \(mode 06\d\d\).*chmod 600/,
    );
    assert.equal(modeOf(file), mode);
  }
  await Deno.chmod(file, 0o400);
  assert.equal(await publicKeyOf(file), PUBLIC);
});

Deno.test("loadOrCreatePrivateKey() refuses another user's file", async () => {
  await using dir = await tempDir();
  let file = `${dir.path}/key`;
  if (Deno.uid() === 0) {
    await Deno.writeTextFile(file, TEXT, { mode: 0o600 });
    await Deno.chown(file, 1, 1);
  } else {
    file = "/etc/passwd";
  }
  await refuses(file, /it belongs to user \d+, not \d+.*chown/);
});

Deno.test("loadOrCreatePrivateKey() follows no symbolic link, dangling or not", async () => {
  await using dir = await tempDir();
  const target = `${dir.path}/target`;
  const file = `${dir.path}/key`;
  await Deno.symlink(target, file);
  await refuses(file, /it is a symbolic link/);
  await assert.rejects(Deno.lstat(target), Deno.errors.NotFound);
  await Deno.writeTextFile(target, TEXT, { mode: 0o600 });
  await refuses(file, /it is a symbolic link/);
});

Deno.test("loadOrCreatePrivateKey() refuses directories, fifos and sockets at once", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(`${dir.path}/directory`, { mode: 0o700 });
  await refuses(`${dir.path}/directory`, /it is not a regular file/);
  const fifo = `${dir.path}/fifo`;
  await new Deno.Command("mkfifo", { args: ["-m", "600", fifo] }).output();
  await refuses(fifo, /it is not a regular file/);
  const socket = `${dir.path}/socket`;
  using _listener = Deno.listen({ transport: "unix", path: socket });
  await refuses(socket, /it cannot be opened/);
});

Deno.test("loadOrCreatePrivateKey() refuses a directory in which others may write", async () => {
  await using dir = await tempDir();
  const open = `${dir.path}/open`;
  await Deno.mkdir(open);
  await Deno.chmod(open, 0o777);
  await assert.rejects(loadOrCreatePrivateKey(`${open}/key`, shim), {
    name: "FatalError",
    message: /others may write there; run "chmod 700/,
  });
  assert.deepEqual([...Deno.readDirSync(open)], []);
});

Deno.test("loadOrCreatePrivateKey() says which directory cannot be made", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/file`, "");
  await assert.rejects(
    loadOrCreatePrivateKey(`${dir.path}/file/below/key`, shim),
    { name: "FatalError", message: /file\/below: Not a directory; make/ },
  );
});

Deno.test("loadOrCreatePrivateKey() clears away the draft of a crash, and does not use it", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/key`;
  await Deno.writeTextFile(`${dir.path}/.key.new`, TEXT, { mode: 0o600 });
  assert.notEqual(await publicKeyOf(file), PUBLIC);
  assert.deepEqual([...Deno.readDirSync(dir.path)].map((it) => it.name), [
    "key",
  ]);
});

Deno.test("loadOrCreatePrivateKey() called by many at once makes one key", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/key`;
  const all = await Promise.all(
    Array.from({ length: 20 }, () => loadOrCreatePrivateKey(file, shim)),
  );
  assert.equal(all.filter(({ created }) => created).length, 1);
  const keys = new Set(all.map(({ key }) => key.expose().join()));
  assert.equal(keys.size, 1);
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

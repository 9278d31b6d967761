import assert from "node:assert/strict";
import { lockLink } from "../../mod/sys/lock.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { tempDir } from "../support/temp_dir.ts";

const shim = await loadShim();
const LINK = "clusternet";

/** Locks, says so, and holds on until its standard input ends. */
const HOLD = `
  import { lockLink } from ${
  JSON.stringify(new URL("../../mod/sys/lock.ts", import.meta.url).href)
};
  import { loadShim } from ${
  JSON.stringify(new URL("../../mod/sys/shim.ts", import.meta.url).href)
};
  const shim = await loadShim();
  try {
    lockLink("clusternet", { shim, directory: Deno.args[0] });
    console.log("held");
    await Deno.stdin.read(new Uint8Array(1));
    Deno.kill(Deno.pid, "SIGKILL");
  } catch (error) {
    console.log(error.message);
    Deno.exit(error.exitCode);
  }
`;

Deno.test("lockLink() keeps a second agent out and names the first", async () => {
  await using dir = await tempDir();
  const directory = `${dir.path}/run/clusternet`;
  using _held = lockLink(LINK, { shim, directory });
  const path = `${directory}/${LINK}.lock`;
  assert.throws(() => lockLink(LINK, { shim, directory }), {
    name: "FatalError",
    exitCode: 1,
    message:
      `Cannot manage link ${LINK}: another agent does (process ${Deno.pid}) and holds ${path}; ` +
      "stop that one first, or choose another --interface",
  });
  assert.equal((Deno.statSync(directory).mode ?? 0) & 0o777, 0o700);
  assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
});

Deno.test("lockLink() holds one link, not the others, and lets go", async () => {
  await using dir = await tempDir();
  const directory = dir.path;
  {
    using _one = lockLink(LINK, { shim, directory });
    using _other = lockLink("other", { shim, directory });
  }
  using _again = lockLink(LINK, { shim, directory });
});

Deno.test("lockLink() holds between processes, until SIGKILL, and the next may have it", async () => {
  await using dir = await tempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--unstable-raw-imports", HOLD, dir.path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "held\n");
  assert.throws(
    () => lockLink(LINK, { shim, directory: dir.path }),
    new RegExp(`another agent does \\(process ${child.pid}\\)`),
  );
  await child.stdin.close();
  assert.equal((await child.status).signal, "SIGKILL");
  await reader.cancel();
  using _next = lockLink(LINK, { shim, directory: dir.path });
});

Deno.test("lockLink() is not fooled by a lock file that was removed", async () => {
  await using dir = await tempDir();
  using _first = lockLink(LINK, { shim, directory: dir.path });
  await Deno.remove(`${dir.path}/${LINK}.lock`);
  // Nothing can keep the second out then, but it must hold what stands there now.
  using _second = lockLink(LINK, { shim, directory: dir.path });
  assert.throws(() => lockLink(LINK, { shim, directory: dir.path }));
});

Deno.test("lockLink() refuses symbolic links and bad names", async () => {
  await using dir = await tempDir();
  await Deno.symlink(`${dir.path}/target`, `${dir.path}/${LINK}.lock`);
  assert.throws(
    () => lockLink(LINK, { shim, directory: dir.path }),
    /Too many levels of symbolic links/,
  );
  for (const name of ["", "../x", "a b", "sixteen-letters-"]) {
    assert.throws(() => lockLink(name, { shim, directory: dir.path }), {
      exitCode: 2,
    });
  }
});

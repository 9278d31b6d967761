/**
 * The userspace port against programs that behave badly. How it does with a
 * good one: `tests/lab/userspace_test.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WireGuardPort } from "../../mod/agent/ports.ts";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import { PrivateKey } from "../../mod/core/key.ts";
import { UserspaceWireGuard } from "../../mod/sys/wireguard_userspace.ts";

const LINK = "clusternet";

interface Program extends AsyncDisposable {
  readonly port: WireGuardPort;
  readonly directory: string;
  readonly requests: readonly string[];
}

/** Listens as a WireGuard program does and gives one answer after the other; "" is silence. */
async function program(
  answers: readonly string[],
  options: { readonly timeoutMs?: number } = {},
): Promise<Program> {
  const directory = await Deno.makeTempDir();
  const listener = Deno.listen({
    transport: "unix",
    path: `${directory}/${LINK}.sock`,
  });
  const requests: string[] = [];
  const held: Deno.UnixConn[] = [];
  const serving = (async () => {
    let turn = 0;
    for await (const connection of listener) {
      const buffer = new Uint8Array(65_536);
      let request = "";
      while (!request.endsWith("\n\n")) {
        const length = await connection.read(buffer);
        if (length === null) break;
        request += new TextDecoder().decode(buffer.subarray(0, length));
      }
      requests.push(request);
      const answer = answers[Math.min(turn++, answers.length - 1)] ?? "";
      if (answer === "") held.push(connection);
      else {
        await connection.write(new TextEncoder().encode(answer));
        connection.close();
      }
    }
  })();
  return {
    port: new UserspaceWireGuard({ directory, ...options }),
    directory,
    requests,
    async [Symbol.asyncDispose](): Promise<void> {
      listener.close();
      await serving;
      for (const connection of held) connection.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

Deno.test("read() says how to start a program where none listens", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/${LINK}.sock`;
  const port = new UserspaceWireGuard({ directory });
  const message =
    `Cannot reach a userspace WireGuard for link ${LINK}: nothing listens on ${path}; ` +
    `start one that outlives the agent, e.g. \`wireguard-go ${LINK}\``;
  await assert.rejects(port.read(LINK), { message, errno: ERRNO.ENODEV });
  // A socket that its program left behind.
  Deno.listen({ transport: "unix", path }).close();
  await Deno.writeTextFile(path, "", { create: true }).catch(() => {});
  await assert.rejects(port.read(LINK), { message, errno: ERRNO.ENODEV });
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a program that does not answer costs the time limit, no more", async () => {
  await using silent = await program([""], { timeoutMs: 50 });
  const begun = performance.now();
  await assert.rejects(silent.port.read(LINK), {
    message: `Cannot read device ${LINK}: its program does not answer`,
    errno: 110,
  });
  assert(performance.now() - begun < 2_000);
});

Deno.test("an answer that is cut short or malformed is an error, and names no key", async () => {
  const secret = "5a".repeat(31);
  for (const answer of ["errno=0\n", `private_key=${secret}\nerrno=0\n\n`]) {
    await using bad = await program([answer]);
    await assert.rejects(bad.port.read(LINK), (error) => {
      assert(error instanceof KernelError);
      assert.equal(error.errno, ERRNO.EIO);
      assert(!Deno.inspect(error, { depth: 9 }).includes(secret));
      return true;
    });
  }
});

Deno.test("errno in the answer becomes a KernelError with the words for it", async () => {
  const key = PrivateKey.fromBytes(new Uint8Array(32).fill(7));
  const rows = [
    ["errno=-22\n\n", 22, "Invalid argument"],
    ["errno=-71\n\n", 71, "Protocol error"],
    ["errno=-5\n\n", 5, "Input/output error"],
    ["errno=-55\n\n", 55, "Error 55"],
  ] as const;
  for (const [answer, errno, words] of rows) {
    await using bad = await program([answer]);
    await assert.rejects(bad.port.setPrivateKey(LINK, key), {
      message: `Cannot set private key of ${LINK}: ${words}`,
      errno,
    });
  }
});

Deno.test("setListenPort() puts the old port back when the new one is busy", async () => {
  await using go = await program([
    "listen_port=7838\nerrno=0\n\n",
    "errno=-98\n\n",
    "errno=0\n\n",
  ]);
  await assert.rejects(go.port.setListenPort(LINK, 7839), {
    errno: ERRNO.EADDRINUSE,
  });
  assert.deepEqual(go.requests.slice(1), [
    "set=1\nlisten_port=7839\n\n",
    "set=1\nlisten_port=7838\n\n",
  ]);
});

Deno.test("a name that is no link's stays inside the directory", async () => {
  const port = new UserspaceWireGuard({ directory: "/nowhere" });
  for (const name of ["../../run/x", "", "..", "a b", "sixteen-letters-"]) {
    await assert.rejects(port.read(name), {
      errno: ERRNO.ENODEV,
      message: /is no name of a link$/,
    });
  }
});

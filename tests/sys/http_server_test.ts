import assert from "node:assert/strict";
import {
  type Page,
  plain,
  type ServeOptions,
  servePages,
} from "../../mod/sys/http_server.ts";

interface Server extends AsyncDisposable {
  readonly port: number;
}

function serve(options: Partial<ServeOptions> = {}): Server {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const done = servePages(listener, {
    pages: ({ path }) => plain(200, `you asked for ${path}`),
    signal: stop.signal,
    ...options,
  });
  return {
    port: (listener.addr as Deno.NetAddr).port,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await done;
    },
  };
}

/** Sends that, and reads until the server closes. */
async function exchange({ port }: Server, request: string): Promise<string> {
  using connection = await Deno.connect({ port });
  await connection.write(new TextEncoder().encode(request));
  return await rest(connection);
}

async function rest(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let n; (n = await connection.read(buffer)) !== null;) {
      text += decoder.decode(buffer.subarray(0, n), { stream: true });
    }
  } catch {
    return `${text}(reset)`;
  }
  return text;
}

Deno.test("servePages() answers GET, and HEAD without the body", async () => {
  await using server = serve();
  const get = await exchange(server, "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(get, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(get, /\r\n\r\nyou asked for \/a\n$/);
  const head = await exchange(server, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(head, /\r\ncontent-length: 17\r\n/);
  assert.match(head, /\r\n\r\n$/);
});

Deno.test("servePages() is understood by fetch, 20 requests in a row", async () => {
  await using server = serve();
  for (let n = 0; n < 20; n++) {
    const response = await fetch(`http://127.0.0.1:${server.port}/page/${n}`);
    assert.equal(await response.text(), `you asked for /page/${n}\n`);
  }
});

Deno.test("servePages() takes the server's name before the path", async () => {
  await using server = serve();
  const request = "GET http://agent/a?b=c HTTP/1.1\r\nHost: agent\r\n\r\n";
  assert.match(await exchange(server, request), /you asked for \/a\n$/);
});

const REFUSED: Readonly<Record<string, readonly [request: string, RegExp]>> = {
  "other methods": ["POST / HTTP/1.1\r\n\r\n", /^HTTP\/1\.1 405 .*allow: GET/s],
  "another protocol": ["SSH-2.0-x\r\n\r\n", /^HTTP\/1\.1 400 /],
  "a target that is none": [
    "GET ftp://x/ HTTP/1.1\r\n\r\n",
    /^HTTP\/1\.1 400 /,
  ],
  "a head without end": [
    "GET / HTTP/1.1\r\n".padEnd(9_000, "x"),
    /^HTTP\/1\.1 400 /,
  ],
};

for (const [what, [request, expected]] of Object.entries(REFUSED)) {
  Deno.test(`servePages() refuses ${what}`, async () => {
    await using server = serve();
    assert.match(await exchange(server, request), expected);
  });
}

Deno.test("servePages() serves nobody who came by somebody else's name", async () => {
  await using server = serve({ hosts: new Set(["localhost"]) });
  const ask = (host: string): Promise<string> =>
    exchange(server, `GET / HTTP/1.1\r\n${host}\r\n\r\n`);
  assert.match(await ask("Host: LOCALHOST:7839"), /^HTTP\/1\.1 200 /);
  assert.match(await ask("Host: evil.example"), /^HTTP\/1\.1 421 /);
  assert.match(await ask("X-Host: localhost"), /^HTTP\/1\.1 421 /);
  const whole = await exchange(
    server,
    "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
  );
  assert.match(whole, /^HTTP\/1\.1 421 /);
});

Deno.test("servePages() tells of a page that fails, and goes on", async () => {
  await using server = serve({
    pages: ({ path }): Page => {
      if (path === "/bad") throw new Error("Cannot read the kernel");
      return plain(200, "good");
    },
  });
  const bad = await exchange(server, "GET /bad HTTP/1.1\r\n\r\n");
  assert.match(bad, /^HTTP\/1\.1 500 .*Cannot read the kernel\n$/s);
  assert.match(await exchange(server, "GET / HTTP/1.1\r\n\r\n"), /good\n$/);
});

Deno.test("servePages() lets go of clients that are slow to ask", async () => {
  await using server = serve({ requestMs: 50 });
  const started = performance.now();
  assert.equal(await exchange(server, "GET / HT"), "");
  assert.ok(performance.now() - started < 5_000);
});

Deno.test("servePages() lets go of clients that do not take the answer", async () => {
  const body = "x".repeat(32 * 1024 * 1024);
  await using server = serve({ pages: () => plain(200, body), answerMs: 100 });
  using connection = await Deno.connect({ port: server.port });
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const text = await rest(connection);
  assert.ok(text.length < body.length, `${text.length} bytes came`);
});

Deno.test("servePages() has no more than so many connections, and room again when they go", async () => {
  await using server = serve({ connections: 2 });
  const silent = [
    await Deno.connect({ port: server.port }),
    await Deno.connect({ port: server.port }),
  ];
  const request = "GET / HTTP/1.1\r\n\r\n";
  assert.doesNotMatch(await exchange(server, request), /200 OK/);
  for (const connection of silent) connection.close();
  for (let left = 100; left > 0; left--) {
    if (/200 OK/.test(await exchange(server, request).catch(() => ""))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("no room came back");
});

/**
 * A server for a few pages on this machine: HTTP/1.1 (RFC 9112), GET and HEAD,
 * one request a connection. Whoever is slow, silent or hostile costs a bounded
 * number of sockets for a bounded time, and nothing else.
 *
 * Deno's own server knows no such bounds, and node's takes 3.5 MB of every
 * node's memory: that is why it is here.
 *
 * @module
 */

export interface Page {
  readonly status: number;
  /** As in Content-Type. */
  readonly type: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** More header fields. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PageRequest {
  /** Before the "?", percent-encoded as it came. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Media types that the client takes, as it sent them; "": it did not say. */
  readonly accept: string;
  /** Aborted when the client has had its time. */
  readonly signal: AbortSignal;
}

/** May throw: the client then gets 500 and its message. */
export type Pages = (request: PageRequest) => Page | Promise<Page>;

export interface ServeOptions {
  readonly pages: Pages;
  readonly signal: AbortSignal;
  /** Names by which a browser may ask; others are refused (DNS rebinding). `undefined`: all. */
  readonly hosts?: ReadonlySet<string> | undefined;
  /** 16 by default. */
  readonly connections?: number;
  /** Milliseconds for a request to arrive; 5,000 by default. */
  readonly requestMs?: number;
  /** Milliseconds for the page to be made and taken; 60,000 by default. */
  readonly answerMs?: number;
}

/** Bytes of a request line and its fields. */
const HEADER_LIMIT = 8 * 1024;

/** Waits until it is aborted, then closes what is open; the listener too. */
export async function servePages(
  listener: Deno.Listener<Deno.Conn>,
  options: ServeOptions,
): Promise<void> {
  const { connections = 16, signal } = options;
  const open = new Set<Deno.Conn>();
  const close = (): void => {
    closeQuietly(listener);
    for (const connection of open) closeQuietly(connection);
  };
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  const under = new Set<Promise<void>>();
  try {
    while (!signal.aborted) {
      const connection = await accepted(listener, signal);
      if (connection === undefined) continue;
      if (open.size >= connections) {
        closeQuietly(connection);
        continue;
      }
      open.add(connection);
      const work = answer(connection, options).finally(() => {
        open.delete(connection);
        under.delete(work);
      });
      under.add(work);
    }
  } finally {
    signal.removeEventListener("abort", close);
    close();
    await Promise.all(under);
  }
}

async function accepted(
  listener: Deno.Listener<Deno.Conn>,
  signal: AbortSignal,
): Promise<Deno.Conn | undefined> {
  try {
    return await listener.accept();
  } catch (error) {
    if (signal.aborted) return undefined;
    if (error instanceof Deno.errors.BadResource) throw error;
    // Out of descriptors, or the client is gone already: the next may fare better.
    await new Promise((resolve) => setTimeout(resolve, 100));
    return undefined;
  }
}

/** Never rejects. */
async function answer(
  connection: Deno.Conn,
  options: ServeOptions,
): Promise<void> {
  const { requestMs = 5_000, answerMs = 60_000 } = options;
  const over = new AbortController();
  const end = (): void => {
    over.abort();
    closeQuietly(connection);
  };
  let timer = setTimeout(end, requestMs);
  try {
    const head = await readHead(connection);
    clearTimeout(timer);
    timer = setTimeout(end, answerMs);
    const signal = AbortSignal.any([over.signal, options.signal]);
    const { page, body } = await pageFor(head, options, signal);
    await writeAll(connection, encode(page, body));
    await connection.closeWrite();
    // What was sent beyond the head would turn our close into a reset.
    await drain(connection);
  } catch {
    // The client is gone, or had its time.
  } finally {
    clearTimeout(timer);
    over.abort();
    closeQuietly(connection);
  }
}

/** Up to the empty line; `undefined`: too long, or the end came before. */
async function readHead(connection: Deno.Conn): Promise<string | undefined> {
  const buffer = new Uint8Array(HEADER_LIMIT);
  const decoder = new TextDecoder("latin1");
  let length = 0;
  while (length < HEADER_LIMIT) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) return undefined;
    length += count;
    const text = decoder.decode(buffer.subarray(0, length));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return text.slice(0, end);
  }
  return undefined;
}

interface Answer {
  readonly page: Page;
  /** `false`: the head alone, for HEAD. */
  readonly body: boolean;
}

async function pageFor(
  head: string | undefined,
  { hosts, pages }: ServeOptions,
  signal: AbortSignal,
): Promise<Answer> {
  const [line = "", ...fields] = head?.split("\r\n") ?? [];
  // With the server's name before it (RFC 9112, section 3.2.2) as Deno writes it
  // to a unix socket.
  const [, method = "", authority, target = ""] =
    /^([A-Z]+) (?:http:\/\/([^/ ]*))?(\/[\x21-\x7e]*) HTTP\/1\.[01]$/.exec(
      line,
    ) ?? [];
  if (target === "") {
    return {
      page: plain(400, "This is no request that is understood here"),
      body: true,
    };
  }
  if (method !== "GET" && method !== "HEAD") {
    const page = plain(405, "Only GET and HEAD are served here");
    return { page: { ...page, headers: { allow: "GET, HEAD" } }, body: true };
  }
  const body = method === "GET";
  const host = authority === undefined
    ? hostOf(fields)
    : hostOf([`host: ${authority}`]);
  if (hosts !== undefined && !hosts.has(host)) {
    return { page: plain(421, "This name is not served here"), body };
  }
  const [path = "", query = ""] = target.split(/\?(.*)/s);
  try {
    const request = {
      path,
      query: new URLSearchParams(query),
      accept: fieldOf(fields, "accept"),
      signal,
    };
    return { page: await pages(request), body };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { page: plain(500, text), body };
  }
}

/** Without the port, in lower case; "" where there is none. */
function hostOf(fields: readonly string[]): string {
  return fieldOf(fields, "host").replace(/:\d+$/, "").toLowerCase();
}

/** Those of that name as one; "" where there is none. */
function fieldOf(fields: readonly string[], name: string): string {
  const values = fields.flatMap((field) => {
    const [, key, value = ""] = /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(field) ?? [];
    return key?.toLowerCase() === name ? [value] : [];
  });
  return values.join(", ");
}

export function plain(status: number, text: string): Page {
  return { status, type: "text/plain; charset=utf-8", body: `${text}\n` };
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  421: "Misdirected Request",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

function encode(page: Page, withBody: boolean): Uint8Array {
  const body = typeof page.body === "string"
    ? new TextEncoder().encode(page.body)
    : page.body;
  const fields = {
    "content-type": page.type,
    "content-length": String(body.length),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    connection: "close",
    ...page.headers,
  };
  const lines = Object.entries(fields).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  const reason = REASONS[page.status] ?? "";
  const head = new TextEncoder().encode(
    `HTTP/1.1 ${page.status} ${reason}\r\n${lines.join("")}\r\n`,
  );
  if (!withBody) return head;
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}

async function writeAll(
  connection: Deno.Conn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}

async function drain(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1024);
  while (await connection.read(buffer) !== null);
}

function closeQuietly(what: { close(): void }): void {
  try {
    what.close();
  } catch { /* closed already */ }
}

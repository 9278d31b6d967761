/**
 * A headless Chromium with one page, spoken to over the DevTools protocol.
 *
 * @module
 */

import { eachLine } from "./lines.ts";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export class Browser implements AsyncDisposable {
  /** Every event since the start. */
  readonly events: Message[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #log: Promise<void>;
  #session: string | undefined;
  #last = 0;

  private constructor(
    child: Deno.ChildProcess,
    { profile, socket, log }: {
      readonly profile: string;
      readonly socket: WebSocket;
      readonly log: Promise<void>;
    },
  ) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    this.#log = log;
    socket.addEventListener("message", ({ data }) => this.#heard(data));
  }

  static async start(): Promise<Browser> {
    const profile = await Deno.makeTempDir({ prefix: "clusternet-browser-" });
    const child = new Deno.Command("chromium", {
      args: [
        ...["--no-sandbox", "--headless=new", "--disable-gpu"],
        ...["--disable-dev-shm-usage", "--no-first-run"],
        ...["--disable-background-networking", "--disable-component-update"],
        ...["--remote-debugging-port=0", `--user-data-dir=${profile}`],
        "about:blank",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { HOME: profile },
    }).spawn();
    const address = Promise.withResolvers<string>();
    const log = eachLine(child.stderr, (line) => {
      const [, url] = /DevTools listening on (ws:\S+)/.exec(line) ?? [];
      if (url !== undefined) address.resolve(url);
    });
    log.then(() => address.reject(new Error("Chromium has ended")));
    const socket = new WebSocket(await address.promise);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", reject);
    });
    const browser = new Browser(child, { profile, socket, log });
    await browser.#attach();
    return browser;
  }

  async #attach(): Promise<void> {
    const { targetId } = await this.send<{ targetId: string }>(
      "Target.createTarget",
      { url: "about:blank" },
    );
    const { sessionId } = await this.send<{ sessionId: string }>(
      "Target.attachToTarget",
      { targetId, flatten: true },
    );
    this.#session = sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log"]) {
      await this.send(`${domain}.enable`);
    }
  }

  #heard(data: string): void {
    const message: Message = JSON.parse(data);
    if (message.id === undefined) {
      this.events.push(message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.result);
    else waiting?.reject(new Error(message.error.message));
  }

  async send<T>(method: string, params: unknown = {}): Promise<T> {
    const id = ++this.#last;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    const sessionId = this.#session;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return await answer.promise as T;
  }

  /** What the expression gives, awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send<{
      result: { value: T };
      exceptionDetails?: unknown;
    }>("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails === undefined) return result.value;
    throw new Error(JSON.stringify(exceptionDetails));
  }

  /** Until the expression is true. */
  async until(expression: string, withinMs = 10_000): Promise<void> {
    const end = performance.now() + withinMs;
    while (!await this.evaluate<boolean>(`Boolean(${expression})`)) {
      if (performance.now() > end) {
        const text = await this.evaluate("document.body?.innerText");
        throw new Error(`Not within ${withinMs} ms: ${expression}\n${text}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async press(key: string): Promise<void> {
    const event = { key, code: key, windowsVirtualKeyCode: CODES[key] ?? 0 };
    const text = key === "Enter" ? { text: "\r" } : {};
    await this.send("Input.dispatchKeyEvent", {
      ...{ type: "keyDown", ...event, ...text },
    });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) =>
      this.#socket.addEventListener("close", resolve)
    );
    this.#session = undefined;
    this.#socket.send(JSON.stringify({ id: 0, method: "Browser.close" }));
    await Promise.all([closed, this.#child.status, this.#log]);
    await Deno.remove(this.#profile, { recursive: true });
  }
}

const CODES: Readonly<Record<string, number>> = { Tab: 9, Enter: 13 };

import assert from "node:assert/strict";
import axe from "axe-core";
import type { Health } from "../../mod/agent/health.ts";
import { Historian } from "../../mod/agent/historian.ts";
import type { Overview } from "../../mod/agent/overview.ts";
import { agentPages, pagesOf, type PagesOptions } from "../../mod/cli/pages.ts";
import { History } from "../../mod/core/history.ts";
import type { Status } from "../../mod/core/status.ts";
import { servePages } from "../../mod/sys/http_server.ts";
import { Browser } from "../support/chromium.ts";
import { skipped } from "../support/skip.ts";
import { brokenStatus, ODD_NAMES, statusOf } from "../support/statuses.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** The agent's pages, on a status that the test sets. */
class Recorded implements AsyncDisposable {
  status: Status = statusOf(3);
  /** What a probe finds. */
  probed: Status | undefined;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  readonly url: string;

  constructor() {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    const history = new History(() => Date.UTC(2026, 0, 1));
    const overview: Partial<Overview> = {
      status: () => Promise.resolve(this.status),
      probeAll: () => {
        this.status = this.probed ?? this.status;
        return Promise.resolve();
      },
    };
    const pages = pagesOf(agentPages(
      {
        clock: new VirtualClock(),
        health: {} as Health,
        historian: new Historian(history),
        history,
        overview: overview as Overview,
      } as unknown as PagesOptions,
    ));
    const { signal } = this.#stop;
    this.#done = servePages(listener, { pages, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

async function open(
  browser: Browser,
  server: Recorded,
  peers: number,
): Promise<void> {
  await browser.send("Page.navigate", { url: `${server.url}/` });
  await browser.until(
    `document.querySelectorAll("#peers tr").length === ${peers} && document.querySelector("#picture svg")`,
  );
}

/** Sizes of the window, pixels. */
async function fits(browser: Browser, width: number): Promise<void> {
  await browser.send("Emulation.setDeviceMetricsOverride", {
    ...{ width, height: 900, deviceScaleFactor: 1, mobile: false },
  });
  const wide = await browser.evaluate<number>(
    "document.documentElement.scrollWidth",
  );
  assert.ok(wide <= width, `${wide} of ${width} pixels`);
  const overlaps = await browser.evaluate<readonly string[]>(`(() => {
    const parts = [...document.querySelectorAll("header > :not([hidden]), main > .bar, main > section, main > section > *")];
    const found = [];
    for (const [at, one] of parts.entries()) for (const other of parts.slice(at + 1)) {
      if (one.contains(other)) continue;
      const a = one.getBoundingClientRect(), b = other.getBoundingClientRect();
      if (a.bottom > b.top + 1 && b.bottom > a.top + 1 && a.right > b.left + 1 && b.right > a.left + 1) found.push(one.outerHTML.slice(0, 60) + " over " + other.outerHTML.slice(0, 60));
    }
    return found;
  })()`);
  assert.deepEqual(overlaps, []);
}

async function accessible(browser: Browser): Promise<void> {
  await browser.evaluate(`${axe.source}; 0`);
  const wrong = await browser.evaluate<readonly string[]>(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 200)).join(" ")))`,
  );
  assert.deepEqual(wrong, []);
}

/** Errors of the page, and requests to anybody but its own server. */
function troubles({ events }: Browser, { url }: Recorded): readonly string[] {
  return events.flatMap(({ method, params }) => {
    const text = JSON.stringify(params);
    switch (method) {
      case "Runtime.exceptionThrown":
      case "Log.entryAdded":
      case "Runtime.consoleAPICalled":
        return [text];
      case "Network.requestWillBeSent": {
        const { request } = params as { request: { url: string } };
        const own = request.url.startsWith(`${url}/`) ||
          /^(about:|data:)/.test(request.url);
        return own ? [] : [request.url];
      }
      default:
        return [];
    }
  });
}

/** What has the focus after each press of Tab. */
async function walk(
  browser: Browser,
  steps: number,
): Promise<readonly string[]> {
  const seen: string[] = [];
  for (let step = 0; step < steps; step++) {
    await browser.press("Tab");
    seen.push(
      await browser.evaluate<string>(
        `document.activeElement.id + (getComputedStyle(document.activeElement).outlineStyle === "none" ? " unseen" : "")`,
      ),
    );
  }
  return seen;
}

const NAME = "the page in Chromium";

Deno.test({
  name: NAME,
  ignore: skipped(NAME, { commands: ["chromium"] }),
  fn: async (t) => {
    await using browser = await Browser.start();
    await using server = new Recorded();
    await t.step(
      "shows three Nodes at 360 and 1,280 pixels, without a violation that axe-core knows",
      async () => {
        await open(browser, server, 2);
        for (const width of [360, 1_280]) await fits(browser, width);
        await accessible(browser);
        assert.equal(
          await browser.evaluate(
            `document.querySelectorAll("#picture .tunnel.up").length`,
          ),
          2,
        );
        await browser.send("Emulation.setEmulatedMedia", {
          features: [{ name: "prefers-color-scheme", value: "dark" }],
        });
        await accessible(browser);
        await browser.send("Emulation.setEmulatedMedia", { features: [] });
      },
    );
    await t.step(
      "is walked through by keyboard, the focus seen, and probes by it: who is down is told",
      async () => {
        server.probed = brokenStatus();
        assert.deepEqual(await walk(browser, 5), [
          "probe",
          "picture",
          "filter",
          "order",
          "peer-scroll",
        ]);
        await browser.evaluate(`document.getElementById("probe").focus()`);
        await browser.press("Enter");
        await browser.until(`document.querySelector("#picture .tunnel.down")`);
        await browser.until(
          `document.getElementById("history").textContent.includes("n3 is down")`,
        );
        assert.match(
          await browser.evaluate<string>(
            `document.getElementById("health").textContent`,
          ),
          /Down: n3/,
        );
        assert.match(
          await browser.evaluate<string>(
            `document.querySelector("#peers tr").textContent`,
          ),
          /^n3✕ down: no answer/,
        );
        const color =
          `getComputedStyle(document.querySelector("#picture .down line")).stroke`;
        assert.equal(await browser.evaluate(color), "rgb(207, 34, 46)");
      },
    );
    await t.step(
      "shows 500 Nodes as a matrix, filtered and in order",
      async () => {
        server.status = statusOf(500);
        await open(browser, server, 498);
        assert.equal(
          await browser.evaluate(
            `document.querySelectorAll("#picture .cell").length`,
          ),
          499,
        );
        for (const width of [360, 1_280]) await fits(browser, width);
        await accessible(browser);
        await browser.evaluate(`document.getElementById("filter").focus()`);
        await browser.send("Input.insertText", { text: "n49" });
        await browser.until(
          `document.querySelectorAll("#peers tr").length === 11`,
        );
        assert.match(
          await browser.evaluate<string>(
            `document.getElementById("findings").textContent`,
          ),
          /n500 has no podCIDRs/,
        );
      },
    );
    await t.step("lets no name of a Node become markup", async () => {
      server.status = statusOf(ODD_NAMES.length, {
        name: (at) => ODD_NAMES[at - 1] ?? "",
      });
      await open(browser, server, ODD_NAMES.length - 2);
      assert.equal(
        await browser.evaluate(
          `document.querySelectorAll("script, img").length`,
        ),
        1,
      );
      assert.deepEqual(troubles(browser, server), []);
      await fits(browser, 360);
    });
    await t.step("says when the agent is gone", async () => {
      await server[Symbol.asyncDispose]();
      await browser.until(`!document.getElementById("gone").hidden`, 15_000);
      assert.match(
        await browser.evaluate<string>(
          `document.getElementById("gone").textContent`,
        ),
        /gives no answer/,
      );
    });
  },
});

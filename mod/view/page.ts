/**
 * The page for a browser: one file, which brings its script and style along and
 * asks nothing but the agent that served it.
 *
 * @module
 */

import html from "./page.html" with { type: "text" };

export interface HtmlPage {
  readonly html: string;
  /** Content-Security-Policy: this one script and this one style, by their sums. */
  readonly policy: string;
}

export async function htmlPage(): Promise<HtmlPage> {
  const [style, script] = await Promise.all(
    ["style", "script"].map((name) => sumOf(name)),
  );
  const policy = [
    "default-src 'none'",
    "connect-src 'self'",
    // The icon, which is none: else a browser asks for one.
    "img-src data:",
    `style-src ${style}`,
    `script-src ${script}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { html, policy };
}

async function sumOf(name: string): Promise<string> {
  const [, text = ""] = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(
    html,
  ) ?? [];
  const bytes = new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return `'sha256-${new Uint8Array(digest).toBase64()}'`;
}

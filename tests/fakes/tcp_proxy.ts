/**
 * A wire between client and server that can go dead: connections that are open
 * stay open and carry nothing, as when a firewall forgets a flow; new ones work.
 *
 * @module
 */

type Flow = "open" | "dead";

export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  /** Port of the server behind; another one counts for new connections. */
  target: number;
  readonly #listener: Deno.TcpListener;
  readonly #flows = new Set<{ state: Flow; close(): void }>();
  readonly #serving: Promise<void>;
  /** Connections since the start. */
  accepted = 0;
  /** New connections are ended at once, as where nobody listens. */
  refusing = false;

  /** @param target port on the loopback */
  constructor(
    target: number,
    { hostname = "127.0.0.1", port = 0 }: {
      readonly hostname?: string;
      readonly port?: number;
    } = {},
  ) {
    this.target = target;
    this.#listener = Deno.listen({ hostname, port });
    this.port = this.#listener.addr.port;
    this.#serving = this.#serve();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** From now on the open connections carry nothing. */
  blackhole(): void {
    for (const flow of this.#flows) flow.state = "dead";
  }

  /** The open connections break. */
  cut(): void {
    for (const flow of [...this.#flows]) flow.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const carrying: Promise<void>[] = [];
    for await (const client of this.#listener) {
      this.accepted++;
      if (this.refusing) client.close();
      else carrying.push(this.#carry(client));
    }
    await Promise.all(carrying);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({
        hostname: "127.0.0.1",
        port: this.target,
      });
    } catch {
      return client.close();
    }
    const flow = {
      state: "open" as Flow,
      close(): void {
        for (const side of [client, server]) {
          try {
            side.close();
          } catch { /* closed already */ }
        }
      },
    };
    this.#flows.add(flow);
    await Promise.all([
      pump(client, server, flow),
      pump(server, client, flow),
    ]);
    this.#flows.delete(flow);
  }
}

async function pump(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  flow: { state: Flow; close(): void },
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) break;
      for (let at = 0; at < count && flow.state === "open";) {
        at += await to.write(buffer.subarray(at, count));
      }
    }
  } catch { /* broken: so is the other direction */ }
  // In a dead flow nobody hears that the other side has gone.
  if (flow.state === "open") flow.close();
}

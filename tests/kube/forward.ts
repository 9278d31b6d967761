/**
 * The API server for those outside of the cluster's place: a port of this
 * machine's loopback, joined by a socket in the folder that both sides see.
 *
 * @module
 */

/** A port of the loopback whose connections go to that socket. */
export function listenOutside(socket: string): {
  readonly port: number;
  close(): void;
} {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void forward(
    listener,
    () => Deno.connect({ transport: "unix", path: socket }),
  );
  return { port: listener.addr.port, close: () => listener.close() };
}

/** A socket whose connections go to that address. */
export function listenInside(
  socket: string,
  to: { readonly hostname: string; readonly port: number },
): void {
  const listener = Deno.listen({ transport: "unix", path: socket });
  void forward(listener, () => Deno.connect(to));
}

/** Until the listener is closed; a connection that fails ends alone. */
async function forward(
  listener: Deno.Listener,
  connect: () => Promise<Deno.Conn>,
): Promise<void> {
  for await (const from of listener) {
    void join(from, connect);
  }
}

async function join(
  from: Deno.Conn,
  connect: () => Promise<Deno.Conn>,
): Promise<void> {
  let to: Deno.Conn;
  try {
    to = await connect();
  } catch {
    return from.close();
  }
  await Promise.allSettled([
    from.readable.pipeTo(to.writable),
    to.readable.pipeTo(from.writable),
  ]);
}

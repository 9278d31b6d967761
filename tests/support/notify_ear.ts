/**
 * Hears what a program tells its service manager (sd_notify(3)).
 *
 * @module
 */

export interface Ear extends AsyncDisposable {
  /** Assignments, oldest first. */
  readonly said: readonly string[];
  readonly has: (beginning: string) => true | undefined;
}

export function listen(path: string): Ear {
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  const said: string[] = [];
  const reading = collect(socket, said);
  return {
    said,
    has: (beginning) =>
      said.some((one) => one.startsWith(beginning)) ? true : undefined,
    async [Symbol.asyncDispose](): Promise<void> {
      socket.close();
      await reading;
    },
  };
}

/** One assignment a line, until the socket is closed. */
async function collect(
  socket: Deno.DatagramConn,
  said: string[],
): Promise<void> {
  try {
    for await (const [bytes] of socket) {
      said.push(...new TextDecoder().decode(bytes).trim().split("\n"));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

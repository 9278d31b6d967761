/**
 * Both ends of a probe, each a process of its own: `send ADDRESS PORT RATE` sends numbered UDP packets at
 * a steady rate, `receive PORT` notes which arrive. Each prints one line when it is at work
 * and, after SIGTERM, its report as one line of JSON. Packet: its number, 4 bytes, big-endian.
 *
 * @module
 */

import type { ReceiverReport, SenderReport } from "./probe.ts";

/** After a pause of the machine: no storm, which would lose packets by itself. */
const MOST_AT_ONCE = 50;

async function send(
  address: string,
  port: number,
  rate: number,
): Promise<SenderReport> {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: address.includes(":") ? "::" : "0.0.0.0",
    port: 0,
  });
  const to: Deno.NetAddr = { transport: "udp", hostname: address, port };
  const packet = new Uint8Array(4);
  const refused: Record<string, number> = {};
  let [sent, running] = [0, true];
  Deno.addSignalListener("SIGTERM", () => running = false);
  console.log("at work");
  const started = performance.now();
  let last = started;
  let debt = 0;
  while (running) {
    const now = performance.now();
    debt = Math.min(debt + (now - last) * rate / 1000, MOST_AT_ONCE);
    last = now;
    for (; debt >= 1; debt--) {
      new DataView(packet.buffer).setUint32(0, sent++);
      try {
        await socket.send(packet, to);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        refused[why] = (refused[why] ?? 0) + 1;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  socket.close();
  return { sent, refused, seconds: (performance.now() - started) / 1000 };
}

async function receive(port: number): Promise<ReceiverReport> {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "::",
    port,
  });
  const overflowed = await overflows();
  const seen = new Set<number>();
  let duplicates = 0;
  Deno.addSignalListener("SIGTERM", () => socket.close());
  console.log("at work");
  const buffer = new Uint8Array(64);
  for await (const [packet] of datagrams(socket, buffer)) {
    const number = new DataView(packet.buffer, packet.byteOffset).getUint32(0);
    if (seen.has(number)) duplicates++;
    seen.add(number);
  }
  return {
    received: ranges(seen),
    duplicates,
    overflowed: await overflows() - overflowed,
  };
}

/** Until the socket is closed. */
async function* datagrams(
  socket: Deno.DatagramConn,
  buffer: Uint8Array<ArrayBuffer>,
): AsyncGenerator<[Uint8Array<ArrayBuffer>, Deno.Addr]> {
  while (true) {
    try {
      yield await socket.receive(buffer);
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return;
      if (error instanceof Deno.errors.Interrupted) return;
      throw error;
    }
  }
}

/** [first, last] of each run of numbers without a gap. */
function ranges(numbers: ReadonlySet<number>): [number, number][] {
  const found: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}

/** Packets that came and found no room in a socket of this network namespace: proc(5), RcvbufErrors. */
async function overflows(): Promise<number> {
  const [heads = "", values = ""] =
    (await Deno.readTextFile("/proc/self/net/snmp"))
      .split("\n").filter((line) => line.startsWith("Udp:"));
  const at = heads.split(" ").indexOf("RcvbufErrors");
  const six = await Deno.readTextFile("/proc/self/net/snmp6").catch(() => "");
  const [, count6 = "0"] = /^Udp6RcvbufErrors\s+(\d+)$/m.exec(six) ?? [];
  return Number(values.split(" ")[at]) + Number(count6);
}

if (import.meta.main) {
  const [verb, ...rest] = Deno.args;
  const report = verb === "send"
    ? await send(rest[0] ?? "", Number(rest[1]), Number(rest[2]))
    : await receive(Number(rest[0]));
  console.log(JSON.stringify(report));
}

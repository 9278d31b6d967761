/**
 * Requests and dumps against a kernel that answers from a script: what the real
 * one does once in a year.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import {
  type NetlinkCalls,
  NetlinkSocket,
} from "../../mod/sys/netlink_socket.ts";
import { type Descriptor, loadShim } from "../../mod/sys/shim.ts";
import { Writer } from "../../mod/wire/attribute.ts";
import {
  decodeMessages,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
  type Request,
} from "../../mod/wire/netlink.ts";

const shim = await loadShim();
const PORT = 4242;
const DATA = 24;
const REQUEST: Request = { type: 26, flags: 0, body: () => undefined };
const DUMP: Request = { ...REQUEST, flags: NLM_F_DUMP };
const WHAT = "list routes";

interface Reply {
  readonly type: number;
  readonly flags?: number;
  /** Added to that of the request. */
  readonly sequence?: number;
  readonly port?: number;
  readonly payload?: readonly number[];
}

type Datagram = readonly Reply[] | { readonly errno: number } | "silence";

/** Answers each request with the next of its scripts, a list of datagrams. */
class ScriptedKernel implements NetlinkCalls {
  readonly sent: Uint8Array[] = [];
  buffer: Uint8Array | undefined;
  /** Tell of more bytes than there is room for. */
  oversize = false;
  readonly #scripts: (readonly Datagram[])[];
  #queue: Datagram[] = [];
  #sequence = 0;

  constructor(...scripts: readonly (readonly Datagram[])[]) {
    this.#scripts = [...scripts];
  }

  get left(): number {
    return this.#scripts.length;
  }

  openNetlink(): { readonly socket: Descriptor; readonly port: number } {
    return { socket: shim.openWake(), port: PORT };
  }

  sendThreaded(_socket: Descriptor, data: Uint8Array): Promise<void> {
    this.sent.push(data);
    this.#sequence = decodeMessages(data)[0]?.sequence ?? 0;
    this.#queue = [...this.#scripts.shift() ?? []];
    return Promise.resolve();
  }

  wait(): Promise<{ readonly ready: boolean; readonly woken: boolean }> {
    const ready = this.#queue.length > 0 && this.#queue[0] !== "silence";
    return Promise.resolve({ ready, woken: false });
  }

  receive(_socket: Descriptor, buffer: Uint8Array): number {
    this.buffer = buffer;
    const datagram = this.#queue.shift();
    if (datagram === undefined || datagram === "silence") return 0;
    if ("errno" in datagram) throw new KernelError("x", datagram.errno);
    if (this.oversize) return buffer.length + 1;
    const out = new Writer();
    for (const reply of datagram) this.#write(out, reply);
    buffer.set(out.finish());
    return out.length;
  }

  #write(out: Writer, reply: Reply): void {
    const { type, flags = 0, sequence = 0, port = PORT, payload = [] } = reply;
    out.raw32(16 + payload.length).raw16(type).raw16(flags)
      .raw32(this.#sequence + sequence).raw32(port);
    for (const byte of payload) out.raw8(byte);
  }
}

/** -errno, as bytes. */
function code(errno: number): readonly number[] {
  return [...new Uint8Array(Int32Array.of(-errno).buffer)];
}

function ack(errno = 0): Reply {
  const payload = [...code(errno), ...new Array<number>(16).fill(0)];
  return { type: NLMSG_ERROR, flags: NLM_F_CAPPED, payload };
}

const item = (value: number, flags = 0): Reply => ({
  type: DATA,
  flags: NLM_F_MULTI | flags,
  payload: [value, 0, 0, 0],
});
const done = (errno = 0, flags = 0): Reply => ({
  type: NLMSG_DONE,
  flags: NLM_F_MULTI | flags,
  payload: code(errno),
});
const first = (payload: Uint8Array): number => payload[0] ?? -1;

async function errnoOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
  } catch (error) {
    if (error instanceof KernelError) {
      assert.match(error.message, /^Cannot list routes: /);
      return error.errno;
    }
    throw error;
  }
  return 0;
}

Deno.test("request() takes the answer that has its number and port, no other", async () => {
  const kernel = new ScriptedKernel([
    [item(1)].map((it) => ({ ...it, sequence: 1 })),
    [{ ...item(2), port: PORT + 1 }, { type: NLMSG_NOOP }, item(3)],
    [{ ...ack(ERRNO.EPERM), sequence: -1 }],
    [ack()],
  ]);
  using socket = new NetlinkSocket(kernel, 0);
  assert.equal(await socket.request(REQUEST, WHAT, first), 3);
});

Deno.test("request() skips datagrams that were thrown away", async () => {
  const kernel = new ScriptedKernel([[], [ack()]]);
  using socket = new NetlinkSocket(kernel, 0);
  assert.equal(await socket.request(REQUEST, WHAT), undefined);
});

Deno.test("request() repeats the kernel's own words", async () => {
  const words = new Writer().string(1, "Nexthop has invalid gateway").finish();
  const { payload = [] } = ack(ERRNO.EINVAL);
  const kernel = new ScriptedKernel([[{
    type: NLMSG_ERROR,
    flags: NLM_F_CAPPED | NLM_F_ACK_TLVS,
    payload: [...payload, ...words],
  }]]);
  using socket = new NetlinkSocket(kernel, 0);
  await assert.rejects(socket.request(REQUEST, WHAT), {
    message:
      "Cannot list routes: Invalid argument (Nexthop has invalid gateway)",
  });
});

Deno.test("every failure of a socket is one of what it was used for", async () => {
  const rows: readonly [number, readonly Datagram[]][] = [
    [ERRNO.ENOBUFS, [{ errno: ERRNO.ENOBUFS }]],
    [ERRNO.ENOMEM, [{ errno: ERRNO.ENOMEM }]],
    [ERRNO.ENOBUFS, [[{ type: NLMSG_OVERRUN }]]],
    [ERRNO.EBUSY, [[ack(ERRNO.EBUSY)]]],
    [110, ["silence"]],
  ];
  for (const [errno, script] of rows) {
    const kernel = new ScriptedKernel(script);
    using socket = new NetlinkSocket(kernel, 0);
    assert.equal(await errnoOf(socket.request(REQUEST, WHAT)), errno);
  }
});

Deno.test("request() refuses a datagram that did not fit", async () => {
  const kernel = new ScriptedKernel([[ack()]]);
  kernel.oversize = true;
  using socket = new NetlinkSocket(kernel, 0);
  assert.equal(
    await errnoOf(socket.request(REQUEST, WHAT)),
    ERRNO.EMSGSIZE,
  );
});

Deno.test("dump() goes on until NLMSG_DONE, over as many datagrams as come", async () => {
  const kernel = new ScriptedKernel([
    [item(1), item(2)],
    [item(3)],
    [item(4), done()],
  ]);
  using socket = new NetlinkSocket(kernel, 0);
  assert.deepEqual(await socket.dump(DUMP, WHAT, first), {
    values: [1, 2, 3, 4],
    complete: true,
  });
});

Deno.test("dump() heeds the error that NLMSG_DONE carries", async () => {
  const kernel = new ScriptedKernel([[item(1), done(ERRNO.ENOMEM)]]);
  using socket = new NetlinkSocket(kernel, 0);
  assert.equal(
    await errnoOf(socket.dump(DUMP, WHAT, first)),
    ERRNO.ENOMEM,
  );
});

Deno.test("dump() asks again when it was interrupted, and forgets the half", async () => {
  const kernel = new ScriptedKernel(
    [[item(1, NLM_F_DUMP_INTR), done()]],
    [[item(1), done(0, NLM_F_DUMP_INTR)]],
    [[item(1), item(2), done()]],
  );
  using socket = new NetlinkSocket(kernel, 0);
  assert.deepEqual(await socket.dump(DUMP, WHAT, first), {
    values: [1, 2],
    complete: true,
  });
});

Deno.test("dump() that is always interrupted says so, after five times", async () => {
  const interrupted = [[item(1, NLM_F_DUMP_INTR), done()]];
  const kernel = new ScriptedKernel(
    ...new Array<readonly Datagram[]>(9).fill(interrupted),
  );
  using socket = new NetlinkSocket(kernel, 0);
  assert.deepEqual(await socket.dump(DUMP, WHAT, first), {
    values: [1],
    complete: false,
  });
  assert.equal(kernel.left, 4);
});

Deno.test("a socket wipes what it sent and what it received", async () => {
  const kernel = new ScriptedKernel([[item(9), ack()]]);
  const body: Request["body"] = (out) => out.string(3, "secret");
  {
    using socket = new NetlinkSocket(kernel, 16);
    await socket.request({ ...REQUEST, body }, WHAT, first);
  }
  assert.equal(kernel.sent.length, 1);
  for (const bytes of [...kernel.sent, kernel.buffer ?? assert.fail()]) {
    assert(bytes.every((byte) => byte === 0));
  }
});

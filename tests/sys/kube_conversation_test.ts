/**
 * A program's outputs over a real WebSocket, as an API server's exec has them.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  conversation,
  type ProgramBytes,
} from "../../mod/sys/kube_conversation.ts";
import {
  CHANNEL_PROTOCOLS,
  END,
  STDERR,
  STDOUT,
} from "../../mod/wire/kube_channel.ts";

type Message = readonly [channel: number, bytes: Uint8Array];

const SUCCESS: Message = [
  END,
  new TextEncoder().encode(JSON.stringify({ status: "Success" })),
];

/** What comes of it when the server says that, and closes. */
async function heard(
  messages: readonly Message[],
  limit = 1_000_000,
): Promise<ProgramBytes> {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const protocol = CHANNEL_PROTOCOLS[0] ?? "";
      const { response, socket } = Deno.upgradeWebSocket(request, { protocol });
      socket.onopen = () => {
        for (const [channel, bytes] of messages) {
          socket.send(Uint8Array.of(channel, ...bytes));
        }
        socket.close();
      };
      return response;
    },
  );
  const url = `ws://127.0.0.1:${(server.addr as Deno.NetAddr).port}`;
  const socket = new WebSocket(url, [...CHANNEL_PROTOCOLS]);
  const { signal } = new AbortController();
  const closed = new Promise((done) => socket.addEventListener("close", done));
  try {
    return await conversation(socket, { limit, signal, what: "ask it" });
  } finally {
    await closed;
  }
}

Deno.test("conversation() gives bytes that are no text as they are, however they are cut", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(20_000));
  const cuts = [0, 1, 2, 1_500, 1_501, 19_999, 20_000];
  const pieces = cuts.slice(1).map((end, at): Message => [
    STDOUT,
    bytes.subarray(cuts[at], end),
  ]);
  const warning: Message = [STDERR, new TextEncoder().encode("clusternet: ü")];
  const { code, stderr, stdout } = await heard([...pieces, warning, SUCCESS]);
  assert.deepEqual([code, stderr], [0, "clusternet: ü"]);
  assert.deepEqual(stdout, bytes);
});

Deno.test("conversation() takes as much as it may and not a byte more", async () => {
  const all = (length: number): readonly Message[] => [
    [STDOUT, new Uint8Array(length)],
    SUCCESS,
  ];
  assert.equal((await heard(all(3_000), 3_000)).stdout.length, 3_000);
  await assert.rejects(heard(all(3_001), 3_000), {
    message: "Cannot ask it: it says too much",
  });
});

Deno.test("conversation() that breaks off is no answer", async () => {
  await assert.rejects(heard([[STDOUT, new Uint8Array(10)]]), {
    message: "Cannot ask it: the connection broke off",
  });
});

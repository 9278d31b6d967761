/**
 * What the running agent tells systemd (sd_notify(3)), in the order in which it
 * becomes true.
 *
 * @module
 */

import assert from "node:assert/strict";
import { tempDir } from "../support/temp_dir.ts";
import { Child } from "./exec.ts";
import { eventually, labTest } from "./harness.ts";

labTest(
  "systemd hears READY only when all stands, STATUS, WATCHDOG and STOPPING",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    await lab.register();
    const [node, other] = lab.nodes;
    assert.ok(node !== undefined && other !== undefined);
    await using dir = await tempDir();
    const path = `${dir.path}/notify`;
    const socket = Deno.listenDatagram({ transport: "unixpacket", path });
    const said: string[] = [];
    const has = (line: string): true | undefined =>
      said.some((one) => one.startsWith(line)) ? true : undefined;
    const reading = collect(socket, said);
    await using _end = {
      async [Symbol.asyncDispose](): Promise<void> {
        socket.close();
        await reading;
      },
    };
    other.startAgent();
    const agent = new Child("agent under systemd", node.agentCommand(), {
      env: {
        ...node.settings.env,
        NOTIFY_SOCKET: path,
        WATCHDOG_USEC: "1000000",
      },
    });
    await eventually(
      "it says what it waits for",
      () =>
        Promise.resolve(
          has(`STATUS=Degraded: Own Node ${node.name} has no podCIDRs`),
        ),
    );
    assert.equal(has("READY=1"), undefined, said.join(" | "));
    await lab.assignPodCidrs();
    await eventually("it is ready", () => Promise.resolve(has("READY=1")));
    await eventually(
      "it counts its peers",
      () => Promise.resolve(has("STATUS=OK, 1 peer")),
    );
    const before = said.filter((one) => one === "WATCHDOG=1").length;
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    const beats = said.filter((one) => one === "WATCHDOG=1").length - before;
    assert.ok(beats >= 2, `${beats} signs of life in 2.2 s at rest`);
    assert.equal(said.filter((one) => one === "READY=1").length, 1);
    assert.equal(await agent.stop("SIGTERM"), 0);
    await eventually("it stops", () => Promise.resolve(has("STOPPING=1")));
  },
);

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

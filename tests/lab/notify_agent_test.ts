/**
 * What the running agent tells systemd (sd_notify(3)), in the order in which it
 * becomes true.
 *
 * @module
 */

import assert from "node:assert/strict";
import { listen } from "../support/notify_ear.ts";
import { tempDir } from "../support/temp_dir.ts";
import { Child } from "./exec.ts";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  losesNothing,
} from "./harness.ts";
import { dataPlane, firstNode, writesOf } from "./look.ts";

labTest(
  "systemd hears STATUS, READY after the first turn, WATCHDOG and STOPPING",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    await lab.register();
    const [node, other] = lab.nodes;
    assert.ok(node !== undefined && other !== undefined);
    await using dir = await tempDir();
    const path = `${dir.path}/notify`;
    await using ear = listen(path);
    const { said, has } = ear;
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
    await eventually("it has started", () => Promise.resolve(has("READY=1")));
    await lab.assignPodCidrs();
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

labTest(
  "SIGHUP reads the configuration again without a lost packet; a bad one changes nothing",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const node = firstNode(lab);
    await node.stopAgent();
    await using dir = await tempDir();
    await using ear = listen(`${dir.path}/notify`);
    const file = `${dir.path}/config.yaml`;
    await Deno.writeTextFile(file, "log-format: text\n");
    const agent = new Child("agent", node.agentCommand(["--config", file]), {
      env: {
        ...node.settings.env,
        NOTIFY_SOCKET: `${dir.path}/notify`,
        WATCHDOG_USEC: "60000000",
      },
    });
    const count = (line: string): number =>
      ear.said.filter((one) => one.startsWith(line)).length;
    const readyTimes = async (times: number): Promise<void> => {
      await eventually(
        `READY came ${times} times`,
        () => Promise.resolve(count("READY=1") === times || undefined),
      );
    };
    await readyTimes(1);
    await agent.line(/\bOK, 1 peer/);
    const before = await dataPlane(node);
    const writes = await writesOf(lab);
    await losesNothing(lab, async () => {
      await Deno.writeTextFile(file, "log-format: json\n");
      agent.signal("SIGHUP");
      await readyTimes(2);
      await agent.line(/^{.*OK, 1 peer/);
      await Deno.writeTextFile(file, "log-format: music\n");
      agent.signal("SIGHUP");
      await readyTimes(3);
      await agent.line(/music.*\(all goes on as before\)/);
    });
    assert.equal(await dataPlane(node), before);
    assert.deepEqual(await writesOf(lab), writes, "a reload writes nothing");
    assert.equal(count("RELOADING=1"), 2);
    assert.equal(count("MONOTONIC_USEC="), 2);
    assert.equal(count("STOPPING=1"), 0);
    assert.equal(await agent.stop("SIGTERM"), 0);
  },
);

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { VERSION } from "../../mod/core/version.ts";
import { stateFileOf } from "../../mod/sys/state_file.ts";
import { bringUp, labTest } from "./harness.ts";
import { dataPlane, firstNode, ready } from "./look.ts";

labTest(
  "an agent writes the state file beside its key, and runs where it cannot",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const file = stateFileOf(node.keyFile);
    const read = (): Promise<string> => node.space.must(["cat", file]);
    const text = `{"format":1,"writtenBy":"${VERSION}"}\n`;
    assert.equal(await read(), text);
    const before = await dataPlane(node);
    await node.stopAgent();
    const state = dirname(file);
    await node.space.sh(
      `rm ${file}; mount --bind ${state} ${state}; mount -o remount,bind,ro ${state}`,
    );
    const agent = node.startAgent();
    await ready(node);
    const said = agent.lines.filter((line) => line.includes("state.json"));
    assert.equal(said.length, 1, said.join("\n"));
    assert.match(
      said[0] ?? "",
      /warn.*Cannot write state file .*: Read-only file system; the agent runs/,
    );
    await node.stopAgent();
    await node.space.sh(`umount ${state}`);
    node.startAgent();
    await ready(node);
    assert.equal(await read(), text, "written at the next start");
    assert.equal(await dataPlane(node), before);
  },
);

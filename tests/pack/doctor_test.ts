/**
 * `clusternet doctor` in the agent's pod, as most people run it: the image has no
 * other program, the pod no right but CAP_NET_ADMIN and sees no other process.
 *
 * @module
 */

import assert from "node:assert/strict";
import { answerOf } from "../lab/doctor.ts";
import { BREAKS_BESIDE_AGENT } from "../lab/doctor_breaks.ts";
import type { RunResult } from "../lab/exec.ts";
import { addPods, settled } from "../lab/harness.ts";
import { readDiagnosis } from "../support/pod_diagnosis.ts";
import {
  assertConfined,
  assertPings,
  byRunc,
  imageTest,
  inSync,
  other,
} from "./image_scene.ts";
import { agentPod, withRoom } from "./pod.ts";
import { runcExec } from "./runc.ts";

/** Held by a process of the node. */
const PORT = "7999";

/** What other programs show on a node, and no program shows in the image. */
const BROKEN = [
  ...BREAKS_BESIDE_AGENT.filter(({ code, breaks }) =>
    typeof breaks === "string" &&
    /^(rule-overrides|route-foreign|pod-mtu|other-plugin-links|forward-chain)$/
      .test(code)
  ),
  {
    code: "port-in-use",
    says: /UDP 7999/,
    breaks: `${Deno.execPath()} eval --unstable-net '
const c = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: ${PORT} });
console.log("there"); await c.receive();' > /run/clusternet-cni/holder 2>&1 &
echo $! > /run/clusternet-cni/holder.pid
until grep -q there /run/clusternet-cni/holder; do sleep 0.05; done`,
  },
];

imageTest(
  "doctor in the agent's image finds nothing on a healthy node and what is broken on one, and all that it cannot look at there is what docs/doctor.md says",
  async (scene) => {
    const { lab, first, folder } = scene;
    const pod = withRoom(agentPod(first));
    await using one = byRunc(scene, first).run(pod);
    await using two = byRunc(scene, other(scene)).run(agentPod(other(scene)));
    await Promise.all([inSync(one), inSync(two)]);
    await settled(lab);
    await assertConfined(one);
    await addPods(lab, 1);
    await assertPings(lab);
    const doctor = (...flags: readonly string[]): Promise<RunResult> =>
      runcExec(one, ["/usr/bin/clusternet", "doctor", ...flags], folder);
    const { code, stdout, stderr } = await doctor();
    assert.deepEqual([stdout, stderr], [readDiagnosis(), ""]);
    assert.equal(code, 0);
    await first.space.sh(BROKEN.map(({ breaks }) => breaks).join("\n"));
    await lab.underlay.sh(`ip link set ${other(scene).plan.port} mtu 1400`);
    const codes = BROKEN.map(({ code }) => code);
    const only = [...codes, "mtu-black-hole"].join(",");
    const flags = ["--only", only, "--listen-port", PORT, "-o", "json"];
    const { findings, notMade } = answerOf(await doctor(...flags));
    await first.space.sh("kill $(cat /run/clusternet-cni/holder.pid)");
    assert.deepEqual(notMade, []);
    const found = findings.map(({ code, sentence }) => `${code}: ${sentence}`)
      .join("\n");
    for (const { code, says } of BROKEN) {
      assert.match(found, new RegExp(`^${code}: .*${says.source}`, "m"));
    }
    assert.match(found, /^mtu-black-hole: .* the path carries 1400 bytes/m);
    assert.match(found, /^port-in-use: UDP 7999, .* not seen from here$/m);
  },
  ["buildah", "runc", "openssl"],
);

/**
 * The agent's watch and its index of peers as a program, a hundred times faster
 * than life: no kernel, no key.
 *
 *     deno run -A tests/lab/watch_main.ts http://127.0.0.1:6443
 *
 * @module
 */

import { Nodes } from "../../mod/agent/nodes.ts";
import { parsePrefix } from "../../mod/core/address.ts";
import { PeerIndex } from "../../mod/core/peer_index.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { KubeClient } from "../../mod/sys/kube_client.ts";
import { LogWriter } from "../../mod/sys/log.ts";
import { Reflector } from "../../mod/sys/reflector.ts";
import { ANNOTATION, BIG_CLUSTER_CIDR } from "../support/kubelet_node.ts";
import { testKey } from "../support/nodes.ts";
import { scaledClock } from "../support/scaled_clock.ts";

const FACTOR = 100;

const [server] = Deno.args;
const clock = scaledClock(FACTOR);
const access = await openKubeAccess({
  kubeconfig: undefined,
  server,
  clock: systemClock,
});
const config = {
  nodeName: "node-1",
  clusterCidrs: [parsePrefix(BIG_CLUSTER_CIDR)],
  listenPort: 7838,
};
const nodes = new Nodes({
  index: new PeerIndex(config, testKey(1)),
  ring: () => {
    nodes.takeTouched();
    nodes.takeNews();
  },
  ringSelf: () => {},
});
const client = new KubeClient(access, { clock, annotation: ANNOTATION });
const log = new LogWriter({ format: "text", level: "info" });
await new Reflector(client, nodes, { clock, log }).run(
  new AbortController().signal,
);

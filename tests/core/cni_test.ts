import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { CNI_PLUGINS, conflistText } from "../../mod/core/cni.ts";
import { assertGolden } from "../support/golden.ts";

const OPTIONS = { networkName: "k8s-pod-network", mtu: 1440 };

Deno.test("conflistText() for one family is the golden", () => {
  const text = conflistText([parsePrefix("10.0.1.0/24")], OPTIONS);
  assertGolden("conflist_single_stack.json", text);
});

Deno.test("conflistText() for two families is the golden", () => {
  const podCidrs = ["10.0.1.0/24", "fd00:0:0:1::/64"].map(parsePrefix);
  const text = conflistText(podCidrs, { ...OPTIONS, mtu: 1420 });
  assertGolden("conflist_dual_stack.json", text);
});

Deno.test("conflistText() puts every lease below /run and names no path by what it was given", () => {
  const text = conflistText([parsePrefix("10.0.1.0/24")], OPTIONS);
  const paths = JSON.stringify(JSON.parse(text)).match(/"\/[^"]*"/g);
  assert.deepEqual(paths, ['"/run/clusternet-cni/leases"']);
});

Deno.test("CNI_PLUGINS are those that the configuration names, and no others", () => {
  const { plugins } = JSON.parse(
    conflistText([parsePrefix("10.0.1.0/24")], OPTIONS),
  );
  const named = plugins.flatMap(
    (plugin: { type: string; ipam?: { type: string } }) => [
      plugin.type,
      ...plugin.ipam === undefined ? [] : [plugin.ipam.type],
    ],
  );
  assert.deepEqual(named, CNI_PLUGINS);
});

import assert from "node:assert/strict";
import { networkOf } from "../../mod/wire/cni_network.ts";

Deno.test("networkOf() reads lists and single configurations", () => {
  assert.deepEqual(
    networkOf(
      '{"name": "cbr0", "plugins": [{"type": "flannel", "delegate": {}}, {"type": "portmap"}]}',
    ),
    { name: "cbr0", plugins: ["flannel", "portmap"], delegates: false },
  );
  assert.deepEqual(
    networkOf('{"cniVersion": "0.3.1", "name": "b", "type": "bridge"}'),
    { name: "b", plugins: ["bridge"], delegates: false },
  );
});

Deno.test("networkOf() knows Multus in each of its forms", () => {
  for (
    const text of [
      '{"name": "multus-cni-network", "type": "multus", "kubeconfig": "/k", "delegates": []}',
      '{"name": "node-cni-network", "type": "multus-shim"}',
      '{"name": "n", "plugins": [{"type": "multus-shim"}]}',
      '{"name": "n", "type": "other", "delegates": [{"name": "k8s-pod-network"}]}',
    ]
  ) assert.equal(networkOf(text)?.delegates, true, text);
});

Deno.test("networkOf() of what no runtime could use is undefined, whatever it is", () => {
  for (
    const text of [
      "",
      "not JSON",
      "null",
      "[]",
      "7",
      '{"name": "n"}',
      '{"name": "n", "plugins": []}',
      '{"name": "n", "plugins": [{"type": 7}, null, "ptp"]}',
      '{"plugins": "ptp"}',
    ]
  ) assert.equal(networkOf(text), undefined, text);
});

Deno.test("networkOf() lets nothing through that would break a line or fill the log", () => {
  const name = `a\nb\u202e${"x".repeat(500)}`;
  const plugins = Array.from({ length: 100 }, () => ({ type: name }));
  const found = networkOf(JSON.stringify({ name, plugins }));
  assert.match(found?.name ?? "", /^a\?b\?x{60}$/);
  assert.equal(found?.plugins.length, 8);
});

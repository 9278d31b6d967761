import assert from "node:assert/strict";
import { parseEnvFile, setInEnvFile } from "../../mod/core/env_file.ts";

const TEMPLATE = `# How to reach the API server.
CLUSTERNET_KUBECONFIG=/etc/kubernetes/kubelet.conf

#CLUSTERNET_CLUSTER_CIDR=10.0.0.0/16
`;

Deno.test("setInEnvFile() takes the place of a line, or of its comment, or the end", () => {
  const text = setInEnvFile(
    TEMPLATE,
    new Map([
      ["CLUSTERNET_CLUSTER_CIDR", "10.1.0.0/16,fd00::/48"],
      ["CLUSTERNET_KUBECONFIG", "/etc/a b.conf"],
      ["CLUSTERNET_MTU", "1500"],
    ]),
  );
  assert.equal(
    text,
    `# How to reach the API server.
CLUSTERNET_KUBECONFIG="/etc/a b.conf"

CLUSTERNET_CLUSTER_CIDR=10.1.0.0/16,fd00::/48
CLUSTERNET_MTU=1500
`,
  );
});

Deno.test("setInEnvFile() without values changes nothing", () => {
  assert.equal(setInEnvFile(TEMPLATE, new Map()), TEMPLATE);
});

Deno.test("parseEnvFile() reads back what setInEnvFile() wrote", () => {
  for (
    const value of [
      "",
      "plain",
      "two words",
      'a"b',
      "a\\b",
      "$HOME",
      "`x`",
      "'q'",
      "#no",
    ]
  ) {
    const read = parseEnvFile(setInEnvFile(TEMPLATE, new Map([["A", value]])));
    assert.equal(read.get("A"), value);
  }
});

Deno.test("parseEnvFile() reads lines as systemd does", () => {
  const text = "; B=1\n A=1\nC='single $x'\nD=a\\\nb\nno line\nA=2\n";
  assert.deepEqual(
    [...parseEnvFile(text)],
    [["A", "2"], ["C", "single $x"], ["D", "ab"]],
  );
});

Deno.test("setInEnvFile() refuses what does not fit into one line", () => {
  assert.throws(
    () => setInEnvFile("", new Map([["A", "1\nB=2"]])),
    SyntaxError,
  );
});

import assert from "node:assert/strict";
import {
  directoriesToLetIn,
  hiddenBy,
  letInText,
  WRITABLE,
} from "../../mod/core/service_sandbox.ts";

const UNIT = Deno.readTextFileSync(
  new URL("../../deploy/systemd/clusternet.service", import.meta.url),
);

/** The words of a setting, of all its lines. */
function setting(name: string): readonly string[] {
  return [...UNIT.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))]
    .flatMap(([, value = ""]) => value.split(" "));
}

Deno.test("the unit writes where service_sandbox.ts says, and sees neither homes nor /tmp", () => {
  const places = [
    ...setting("StateDirectory").map((name) => `/var/lib/${name}`),
    ...setting("ConfigurationDirectory").map((name) => `/etc/${name}`),
    ...setting("RuntimeDirectory").map((name) => `/run/${name}`),
  ];
  assert.deepEqual(WRITABLE, places);
  assert.deepEqual(setting("ProtectHome"), ["yes"]);
  assert.deepEqual(setting("PrivateTmp"), ["yes"]);
  assert.deepEqual(setting("ProtectSystem"), ["strict"]);
});

Deno.test("hiddenBy() knows what lies below, not what is only alike", () => {
  const rows = [
    ["/root/.kube/config", "/root"],
    ["/home/me/kubeconfig", "/home"],
    ["/tmp/kubeconfig", "/tmp"],
    ["/rootfs/kubeconfig", undefined],
    ["/etc/kubernetes/kubelet.conf", undefined],
  ] as const;
  for (const [path, place] of rows) assert.equal(hiddenBy(path), place);
});

Deno.test("directoriesToLetIn() has those of the files that the agent writes elsewhere", () => {
  const rows: readonly [Record<string, string>, readonly string[]][] = [
    [{}, []],
    [{ CLUSTERNET_CNI_CONF_FILE: "" }, []],
    [{ CLUSTERNET_PRIVATE_KEY_FILE: "/var/lib/clusternet/other.key" }, []],
    [{ CLUSTERNET_CNI_CONF_FILE: "/opt/cni/net.d/10-a.conflist" }, [
      "/opt/cni/net.d",
    ]],
    [{
      CLUSTERNET_PRIVATE_KEY_FILE: "/srv/both/key",
      CLUSTERNET_CNI_CONF_FILE: "/srv/both/10-a.conflist",
    }, ["/srv/both"]],
  ];
  for (const [variables, expected] of rows) {
    const given = new Map(Object.entries(variables));
    assert.deepEqual(directoriesToLetIn(given), expected);
  }
});

Deno.test("letInText() quotes what systemd would take for something else", () => {
  const lines = letInText(["/srv/two words", '/srv/100%"'])
    .split("\n").filter((line) => line.startsWith("ReadWritePaths="));
  assert.deepEqual(lines, [
    'ReadWritePaths="-/srv/two words"',
    'ReadWritePaths="-/srv/100%%\\""',
  ]);
});

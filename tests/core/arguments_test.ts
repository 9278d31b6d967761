import assert from "node:assert/strict";
import {
  configFile,
  type Environment,
  parseArguments,
} from "../../mod/core/arguments.ts";
import { wantsHelp } from "../../mod/core/flags.ts";
import { type Config, helpText, OPTIONS } from "../../mod/core/config.ts";
import { FatalError } from "../../mod/core/errors.ts";

const hostName = "Worker-1.Example";

function parse(
  args: readonly string[],
  env: Environment = {},
  content?: unknown,
): Config {
  const file = content === undefined
    ? {}
    : { file: { path: "/etc/c.yaml", content } };
  return parseArguments(args, env, { hostName, ...file }).config;
}

/** The sentences of the refusal. */
function refusal(
  args: readonly string[],
  env: Environment = {},
  content?: unknown,
): string {
  try {
    parse(args, env, content);
  } catch (error) {
    assert.ok(error instanceof FatalError);
    assert.equal(error.exitCode, 2);
    return error.message;
  }
  assert.fail(`accepted: ${args.join(" ")}`);
}

Deno.test("parseArguments() has the defaults of the table", () => {
  assert.deepEqual(parse([]), {
    nodeName: "worker-1.example",
    kubeconfig: undefined,
    server: undefined,
    clusterCidrs: ["10.0.0.0/16"],
    interface: "clusternet",
    listenPort: 7838,
    privateKeyFile: "/var/lib/clusternet/private.key",
    annotation: "clusternet.dev/wg-pubkey",
    cniConfFile: "/etc/cni/net.d/10-clusternet.conflist",
    cniBinDirs: ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"],
    cniNetworkName: "k8s-pod-network",
    nodeCondition: true,
    events: true,
    masquerade: true,
    mtu: "auto",
    backend: "auto",
    procSysNet: "/proc/sys/net",
    httpAddress: {
      hostname: "127.0.0.1",
      port: 7839,
      text: "127.0.0.1:7839",
    },
    metricsBindAddress: undefined,
    metricsPerPeer: "auto",
    once: false,
    logFormat: "text",
    logLevel: "info",
  });
});

Deno.test("parseArguments() lets a flag win over a variable, that over the file, that over the default", () => {
  const file = { "listen-port": 3, mtu: 1500 };
  const env = { CLUSTERNET_LISTEN_PORT: "2", CLUSTERNET_INTERFACE: "cn0" };
  assert.equal(parse(["--listen-port", "1"], env, file).listenPort, 1);
  assert.equal(parse([], env, file).listenPort, 2);
  assert.equal(parse([], {}, file).listenPort, 3);
  assert.equal(parse([], env, file).mtu, 1500);
  assert.equal(parse([], env, file).interface, "cn0");
  assert.equal(parse([], {}, {}).listenPort, 7838);
});

Deno.test("parseArguments() takes a value behind a blank or an equals sign, and lists both ways", () => {
  assert.equal(parse(["--mtu=1400"]).mtu, 1400);
  assert.equal(parse(["--mtu", "1400"]).mtu, 1400);
  assert.equal(parse(["--once"]).once, true);
  assert.equal(
    parse(["--once=false"], { CLUSTERNET_ONCE: "true" }).once,
    false,
  );
  assert.equal(parse(["--cni-conf-file="]).cniConfFile, "");
  assert.equal(parse([], { CLUSTERNET_CNI_CONF_FILE: "" }).cniConfFile, "");
  assert.deepEqual(parse(["--cni-bin-dir="]).cniBinDirs, []);
  assert.deepEqual(parse([], { CLUSTERNET_CNI_BIN_DIR: "" }).cniBinDirs, []);
  assert.deepEqual(
    parse(["--cni-bin-dir=/a/b", "--cni-bin-dir", "/c,/a/b"]).cniBinDirs,
    ["/a/b", "/c"],
  );
  assert.equal(parse([], { CLUSTERNET_MTU: "" }).mtu, "auto");
  assert.equal(parse(["--server", "https://a:6443/"]).server, "https://a:6443");
  const both = ["10.8.0.0/16", "fd00:0:0::/48"];
  const rows: [string[], Environment, unknown][] = [
    [both.flatMap((one) => ["--cluster-cidr", one]), {}, undefined],
    [["--cluster-cidr", both.join(",")], {}, undefined],
    [[], { CLUSTERNET_CLUSTER_CIDR: both.join(", ") }, undefined],
    [[], {}, { "cluster-cidr": both }],
    [[], {}, { "cluster-cidr": both.join(",") }],
  ];
  for (const [args, env, file] of rows) {
    const { clusterCidrs } = parse(args, env, file);
    assert.deepEqual(clusterCidrs, ["10.8.0.0/16", "fd00::/48"]);
  }
});

Deno.test("parseArguments() finds the Node's name and the kubeconfig where the flags leave them", () => {
  const env = { NODE_NAME: "n1", KUBECONFIG: "/a.conf" };
  assert.equal(parse([], env).nodeName, "n1");
  assert.equal(
    parse([], { ...env, CLUSTERNET_NODE_NAME: "n2" }).nodeName,
    "n2",
  );
  assert.equal(parse([], env, { "node-name": "n3" }).nodeName, "n3");
  assert.equal(parse([], env).kubeconfig, "/a.conf");
  assert.equal(parse(["--kubeconfig", "b.conf"], env).kubeconfig, "b.conf");
  assert.match(refusal([], { KUBECONFIG: "/a:/b" }), /names several files/);
});

Deno.test("configFile() names the file before it is read", () => {
  assert.equal(configFile([], {}), undefined);
  assert.equal(
    configFile(["--config", "/a"], { CLUSTERNET_CONFIG: "/b" }),
    "/a",
  );
  assert.equal(configFile([], { CLUSTERNET_CONFIG: "/b" }), "/b");
});

Deno.test("parseArguments() refuses with one sentence: what, where, what to do", () => {
  const rows: [readonly string[], string][] = [
    [["--foo"], "Unknown flag --foo."],
    [
      ["--listenport", "1"],
      "Unknown flag --listenport; did you mean --listen-port?",
    ],
    [["--log", "x"], "Unknown flag --log; did you mean --log-format?"],
    [["--cluster-cdir", "x"], "did you mean --cluster-cidr?"],
    [["-v"], "Unknown flag -v: flags are written --name VALUE."],
    [["start"], 'Unexpected argument "start": only flags follow.'],
    [
      ["--http-address", "0.0.0.0:7839"],
      "Cannot use --http-address 0.0.0.0:7839: this shows more than others " +
      "should see: write a loopback address, like 127.0.0.1:7839, and reach it " +
      "by `kubectl port-forward`",
    ],
    [
      ["--http-address", "localhost"],
      "Cannot use --http-address localhost: write an address and a port, like " +
      "127.0.0.1:7839 or [::1]:7839",
    ],
    [["--mtu"], "Cannot use --mtu: it needs a value, --mtu BYTES"],
    [["--mtu", "--once"], "Cannot use --mtu: it needs a value, --mtu BYTES"],
    [["--mtu", "1", "--mtu=2"], "Cannot use --mtu twice: give it once"],
    [["--once", "--once"], "Cannot use --once twice"],
    [["--once=maybe"], "Cannot use --once maybe: write true or false"],
    [
      ["--listen-port", "0"],
      "Cannot use --listen-port 0: a port is a number from 1 to 65535",
    ],
    [["--listen-port", "7838x"], "a port is a number from 1 to 65535"],
    [["--listen-port", "65536"], "a port is a number from 1 to 65535"],
    [["--mtu", "575"], 'an MTU is "auto" or a number from 576 to 65535'],
    [
      ["--mtu", "1359", "--cluster-cidr", "fd00::/48"],
      "Cannot use --mtu 1359: with an IPv6 cluster CIDR the underlay has to carry 1360 bytes",
    ],
    [
      ["--node-name", "Node_1"],
      "Cannot use --node-name Node_1: a Node's name is",
    ],
    [
      ["--interface", "sixteen-letters-"],
      "a link's name has 1 to 15 visible characters",
    ],
    [["--interface", "a/b"], "a link's name has 1 to 15 visible characters"],
    [["--interface", "a b"], "a link's name has 1 to 15 visible characters"],
    [["--interface", "wg%d"], "a link's name has 1 to 15 visible characters"],
    [["--interface", ""], "a link's name has 1 to 15 visible characters"],
    [["--interface", ".."], "the kernel means something else by this name"],
    [["--interface", "all"], "the kernel means something else by this name"],
    [["--annotation", "a/b/c"], "an annotation's key is PREFIX/NAME"],
    [["--annotation", "/key"], "an annotation's key is PREFIX/NAME"],
    [["--annotation", "ex_ample/key"], "an annotation's key is PREFIX/NAME"],
    [["--annotation", "example.org/-"], "an annotation's key is PREFIX/NAME"],
    [["--private-key-file", "private.key"], "give the whole path from /"],
    [["--private-key-file", "/var/../key"], "give the whole path from /"],
    [
      ["--cni-conf-file", "/etc/cni/net.d/10.conf"],
      "only from a file that ends in .conflist",
    ],
    [["--cni-bin-dir", "cni/bin"], "give the whole path from /"],
    [["--cni-bin-dir", "/a,,/b"], "give the whole path from /"],
    [["--cni-network-name", "../escape"], "a CNI network's name is made of"],
    [["--backend", "magic"], "write one of auto, kernel, userspace"],
    [["--log-level", "loud"], "write one of debug, info, warn, error"],
    [["--server", "192.0.2.1:6443"], "give a URL like https://192.0.2.1:6443"],
    [["--server", "https://me:pass@192.0.2.1"], "give a URL like"],
    [["--kubeconfig", ""], "give the path of a file"],
  ];
  for (const [args, sentence] of rows) {
    const message = refusal(args);
    assert.ok(message.includes(sentence), `${args.join(" ")}: ${message}`);
  }
});

Deno.test("parseArguments() refuses cluster CIDRs that cannot work, with the right spelling where there is one", () => {
  const rows: [string, string][] = [
    ["10.0.1.0/16", "10.0.1.0/16 has host bits; write 10.0.0.0/16"],
    ["fd00::1/48", "fd00::1/48 has host bits; write fd00::/48"],
    ["10.0.0.0", '"10.0.0.0" is no prefix; write one like 10.0.0.0/16'],
    ["10.0.0.0/33", "is no prefix"],
    ["", '"" is no prefix'],
    ["10.0.0.0/16,10.0.128.0/17", "10.0.0.0/16 and 10.0.128.0/17 overlap"],
    ["10.0.0.0/16,10.1.0.0/16", "10.0.0.0/16 and 10.1.0.0/16 are both IPv4"],
    ["0.0.0.0/0", "0.0.0.0/0 is too wide; /8 is the widest"],
    ["10.0.0.0/31", "10.0.0.0/31 is too narrow for two Nodes' podCIDRs"],
    ["fc00::/7", "fc00::/7 is too wide; /16 is the widest"],
    ["fd00::/127", "fd00::/127 is too narrow"],
    ["127.0.0.0/8", "127.0.0.0/8 is or holds loopback addresses"],
    ["224.0.0.0/8", "multicast"],
    ["169.254.0.0/16", "link-local"],
    ["255.0.0.0/8", "reserved"],
    ["fe80::/64", "link-local"],
    ["ff02::/16", "multicast"],
    ["::ffff:10.0.0.0/112", "is no prefix"],
  ];
  for (const [text, sentence] of rows) {
    const message = refusal([`--cluster-cidr=${text}`]);
    assert.ok(message.includes(sentence), `${text}: ${message}`);
  }
});

Deno.test("parseArguments() says where a bad value stands", () => {
  assert.match(
    refusal([], { CLUSTERNET_MTU: "x" }),
    /^Cannot use CLUSTERNET_MTU=x: /,
  );
  assert.match(
    refusal([], {}, { mtu: "x" }),
    /^Cannot use mtu: x in \/etc\/c\.yaml: /,
  );
  assert.match(
    refusal([], {}, { mtu: [1] }),
    /^Cannot use mtu in \/etc\/c\.yaml: write one value/,
  );
  assert.match(
    refusal([], {}, { mtuu: 1 }),
    /^Unknown key mtuu in \/etc\/c\.yaml; did you mean mtu\?/,
  );
  assert.match(refusal([], {}, { config: "/b" }), /^Unknown key config in/);
  assert.match(
    refusal([], {}, ["mtu"]),
    /^Cannot use \/etc\/c\.yaml: write one option a line/,
  );
  assert.match(refusal([], {}, "mtu"), /^Cannot use \/etc\/c\.yaml/);
  assert.match(
    refusal([], { NODE_NAME: "A B" }),
    /^Cannot use NODE_NAME=A B: /,
  );
  assert.equal(parse([], {}, null).listenPort, 7838, "an empty file");
  assert.equal(parse([], {}, { mtu: null }).mtu, "auto");
});

Deno.test("parseArguments() names each of several bad values in a line of its own", () => {
  const lines = refusal(["--mtu", "x", "--listen-port", "y"]).split("\n");
  assert.equal(lines.length, 2);
});

Deno.test("wantsHelp() sees --help and -h anywhere", () => {
  assert.ok(wantsHelp(["--mtu", "1", "--help"]));
  assert.ok(wantsHelp(["-h"]));
  assert.ok(!wantsHelp(["--mtu", "1"]));
});

Deno.test("helpText() shows every option with its default", () => {
  const text = helpText();
  for (const { name, fallback, metavar } of OPTIONS) {
    assert.ok(text.includes(`--${name} ${metavar}`), name);
    if (fallback !== undefined && metavar !== "") {
      assert.ok(text.includes(`[${fallback}]`), name);
    }
  }
});

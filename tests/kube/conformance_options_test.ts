import assert from "node:assert/strict";
import { parseConformanceArgs } from "./conformance_options.ts";

Deno.test("parseConformanceArgs() reads every option, and has a default for each", () => {
  assert.deepEqual(parseConformanceArgs([]), {
    families: ["ipv4", "ipv6", "dual-stack"],
    run: {
      focus: "",
      proxy: "nftables",
      parallel: 4,
      more: false,
      list: false,
      write: false,
    },
    install: true,
  });
  const all = [
    ...["--family", "ipv6", "--family=ipv4", "--focus", "DNS|HostPort"],
    ...["--proxy=iptables", "--parallel", "2", "--list", "--write"],
    "--more",
    "--no-install",
  ];
  assert.deepEqual(parseConformanceArgs(all), {
    families: ["ipv6", "ipv4"],
    run: {
      focus: "DNS|HostPort",
      proxy: "iptables",
      parallel: 2,
      more: true,
      list: true,
      write: true,
    },
    install: false,
  });
  assert.equal(parseConformanceArgs(["--help"]), "help");
});

Deno.test("parseConformanceArgs() refuses what it does not know in one sentence", () => {
  const rows: readonly (readonly [readonly string[], RegExp])[] = [
    [["--family", "ipv5"], /^Cannot use --family ipv5: write ipv4, ipv6 or/],
    [["--proxy", "none"], /^Cannot use --proxy none: write nftables or/],
    [["--parallel", "0"], /^Cannot use --parallel 0: write a whole number/],
    [["--focus", "("], /^Cannot use --focus \(: write a regular expression$/],
    [["DNS"], /^Cannot use "DNS": it takes only options$/],
    [["--all"], /^Unknown option '--all'/],
  ];
  for (const [args, message] of rows) {
    assert.throws(() => parseConformanceArgs(args), {
      name: "SyntaxError",
      message,
    });
  }
});

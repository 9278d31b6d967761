import assert from "node:assert/strict";
import type { Diagnosis, Finding } from "../../mod/doctor/check.ts";
import { ALL_CHECKS } from "../../mod/doctor/checks.ts";
import { Examination } from "../../mod/doctor/everywhere.ts";
import { everywhereText } from "../../mod/doctor/everywhere_text.ts";
import { PLAIN, widthOf } from "../../mod/view/text.ts";

const SERVER = "https://192.0.2.9:6443";

const NO_CONTAINER = {
  code: "agent-two",
  why: "a container sees its own processes only: ask on the node itself",
};

const NO_DMESG = { code: "denials", why: "there is no dmesg on this machine" };

function nameOf(at: number): string {
  return `n${String(at).padStart(2, "0")}`;
}

function finding(code: string, more: Partial<Finding> = {}): Finding {
  return {
    ...{ code, severity: "error", sentence: `Something of ${code}` },
    evidence: [{ command: `show ${code}`, output: "it" }],
    cure: `mend ${code}`,
    ...more,
  };
}

function diagnosis(...findings: readonly Finding[]): Diagnosis {
  return { findings, made: 51, notMade: [NO_CONTAINER, NO_DMESG] };
}

function examination(): Examination {
  return new Examination(ALL_CHECKS, ["cidr-services"]);
}

function textOf(examined: Examination, width?: number): string {
  const lines = everywhereText(SERVER, examined.result(), {
    width,
    paint: PLAIN,
  });
  return lines.join("\n");
}

Deno.test("everywhereText() of forty healthy Nodes is five lines", () => {
  const all = examination();
  for (let at = 1; at <= 40; at++) {
    const { notMade, ...rest } = diagnosis();
    // The cluster itself was asked for it.
    const elsewhere = { code: "cidr-services", why: "a container sees no …" };
    all.add(nameOf(at), {
      value: { ...rest, notMade: [...notMade, elsewhere] },
    });
  }
  all.addCluster({
    findings: [],
    made: 9,
    notMade: [{ code: "kube-proxy-cidr", why: "no kube-proxy runs there" }],
  });
  assert.equal(
    textOf(all),
    `${SERVER}  nothing found

40 Nodes examined by 51 checks each, the cluster itself by 9.
Not made on all 40 Nodes: agent-two: ${NO_CONTAINER.why}
Not made on all 40 Nodes: denials: ${NO_DMESG.why}
Not made in the cluster itself: kube-proxy-cidr: no kube-proxy runs there`,
  );
});

Deno.test("everywhereText() tells what is the same once, by the order in which to act, with the evidence of the first Node by name", () => {
  const all = examination();
  for (const name of ["n3", "n1", "n2"]) {
    const evidence = [{ command: "sysctl x", output: `${name}\n= 0` }];
    const later = finding("forwarding-off", { evidence });
    const findings = name === "n2" ? [later, finding("key-file")] : [later];
    all.add(name, { value: diagnosis(...findings) });
  }
  all.add("n4", { value: diagnosis() });
  all.add("n5", { why: "its pod does not run" });
  all.addCluster({
    findings: [finding("cidr-services", { severity: "warning" })],
    made: 9,
    notMade: [],
  });
  assert.equal(
    textOf(all),
    `${SERVER}  3 found, 1 could not be examined

1. Something of key-file [key-file]
   On n2
   n2 $ show key-file
     it
   → mend key-file

2. Something of cidr-services [cidr-services, warning]
   In the cluster itself
   $ show cidr-services
     it
   → mend cidr-services

3. Something of forwarding-off [forwarding-off]
   On n1, n2, n3
   n1 $ sysctl x
     n1
     = 0
   → mend forwarding-off

Not examined: 1
- n5: its pod does not run

4 Nodes examined by 51 checks each, the cluster itself by 9.
Not made on all 4 Nodes: agent-two: ${NO_CONTAINER.why}
Not made on all 4 Nodes: denials: ${NO_DMESG.why}`,
  );
});

Deno.test("everywhereText() keeps sentences that differ by Node beneath one number, a handful told and the rest counted", () => {
  const all = examination();
  for (let at = 1; at <= 42; at++) {
    const name = nameOf(at);
    const sentence = `Node ${name} has no room`;
    all.add(name, { value: diagnosis(finding("state-disk", { sentence })) });
  }
  const text = textOf(all);
  const [block = ""] = text.split("\n\n").filter((one) => /^1\./.test(one));
  assert.equal(
    block,
    `1. Amiss on all 42 Nodes: room and writability of the state directory [state-disk]
   - n01: Node n01 has no room
     n01 $ show state-disk
       it
   - n02: Node n02 has no room
   - n03: Node n03 has no room
   - n04: Node n04 has no room
   - n05: Node n05 has no room
   … and 37 more: -o json has all
   → mend state-disk`,
  );
  assert.match(text, /^\S+ {2}1 found\n/);
});

Deno.test("everywhereText() gives each sentence of one check its own cure, where they differ", () => {
  const all = examination();
  for (const name of ["n1", "n2"]) {
    const own = { sentence: `On ${name} it is amiss`, cure: `mend ${name}` };
    all.add(name, { value: diagnosis(finding("route-foreign", own)) });
  }
  assert.match(
    textOf(all),
    /- n1: On n1 it is amiss\n.*\n.*\n {5}→ mend n1\n {3}- n2: On n2 it is amiss\n {5}→ mend n2\n\n/,
  );
});

Deno.test("Examination of thousands of Nodes that all say something else keeps little of it, counts the rest, and fits the terminal", () => {
  const all = examination();
  const nodes = 5_000;
  const before = Deno.memoryUsage();
  for (let at = 1; at <= nodes; at++) {
    const name = `n${at}`;
    const output = Array.from({ length: 400 }, () => name.padEnd(60)).join(
      "\n",
    );
    const evidence = [{ command: "show", output }];
    const sentence = `${name} has a finding of its own, and says it at length`;
    const { findings, made } = diagnosis(
      finding("unheard-of", { sentence, evidence }),
    );
    const notMade = [{ code: "mtu-black-hole", why: `no answer from ${name}` }];
    all.add(name, { value: { findings, made, notMade } });
  }
  const after = Deno.memoryUsage();
  const grown = after.heapUsed + after.external - before.heapUsed -
    before.external;
  // All of them would be 120 MB.
  assert.ok(grown < 60_000_000, `${grown} bytes`);
  const lines = textOf(all, 60).split("\n");
  assert.ok(lines.length < 60, `${lines.length} lines`);
  assert.deepEqual(lines.filter((line) => widthOf(line) > 60), []);
  const text = lines.join("\n");
  assert.match(text, /^1\. Amiss on all 5,000 Nodes: /m);
  assert.match(text, /^ {3}… and 4,995 more: -o json has all$/m);
  assert.match(text, /^… and 4,990 more reasons: -o json has all$/m);
});

Deno.test("everywhereText() groups Nodes that could not be examined by the reason, where they are many", () => {
  const all = examination();
  for (let at = 1; at <= 60; at++) {
    const why = at % 2 === 0
      ? `its pod clusternet/clusternet-${at} does not run: CrashLoopBackOff`
      : "the kubelet cannot be reached";
    all.add(nameOf(at), { why });
  }
  const text = textOf(all);
  assert.match(
    text,
    /^Not examined: 60\n- 30 \(n02, n04, n06, n08, n10, …\): its pod does not run: CrashLoopBackOff\n- 30 \(n01, .*\): the kubelet cannot be reached\n/m,
  );
  assert.match(
    text,
    /^No Node was examined, the cluster itself by 0 checks\.$/m,
  );
});

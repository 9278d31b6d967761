import assert from "node:assert/strict";
import type { PeerStatus, Status } from "../../mod/core/status.ts";
import { graphDot } from "../../mod/view/graph_dot.ts";
import { graphJson } from "../../mod/view/graph_json.ts";
import { graphMermaid } from "../../mod/view/graph_mermaid.ts";
import { graphOf, graphOfOne, type Report } from "../../mod/view/graph_mesh.ts";
import {
  type Graph,
  LINES_LIMIT,
  type Tunnel,
} from "../../mod/view/graph_model.ts";
import { graphText } from "../../mod/view/graph_text.ts";
import { CIRCLE_LIMIT } from "../../mod/view/graph_circle.ts";
import { graphSvg } from "../../mod/view/graph_svg.ts";
import { skipped } from "../support/skip.ts";
import { brokenStatus, ODD_NAMES, statusOf } from "../support/statuses.ts";

const ODD = graphOfOne(
  statusOf(ODD_NAMES.length, { name: (at) => ODD_NAMES[at - 1] ?? "" }),
);

/** As a status of that Node, with that change. */
function seenBy(name: string, change: (status: Status) => Status): Report {
  const all = ["n1", "n2", "n3"];
  const others = all.filter((each) => each !== name);
  const names = [name, ...others];
  const status = statusOf(3, { name: (at) => names[at - 1] ?? "" });
  return { node: name, answer: { kind: "status", status: change(status) } };
}

function silent(node: string, why: string): Report {
  return { node, answer: { kind: "none", why } };
}

const FAILED = {
  ...{ agoSeconds: 1, answered: false, roundTripMs: null },
  failure: "no answer within 3 s",
};

/** That Node's agent says of those that they are down. */
function cutFrom(name: string, ...others: readonly string[]): Report {
  return seenBy(name, (status) => ({
    ...status,
    peers: status.peers.map((peer): PeerStatus =>
      others.includes(peer.node ?? "")
        ? { ...peer, state: "down", probe: FAILED }
        : peer
    ),
  }));
}

/** That Node's agent has those as no peers. */
function without(
  name: string,
  others: Readonly<Record<string, string>>,
): Report {
  return seenBy(name, (status) => ({
    ...status,
    peers: status.peers.filter(({ node }) => !((node ?? "") in others)),
    findings: Object.entries(others).map(([node, text]) => ({
      ...{ node, peer: false },
      reasons: [{ code: "no-key", text }],
    })),
  }));
}

function mesh(reports: readonly Report[]): Graph {
  return graphOf(reports, { title: "Mesh", time: "2026-01-01T12:00:00Z" });
}

function tunnelsOf({ tunnels }: Graph): readonly Tunnel[] {
  return [...tunnels];
}

function json(graph: Graph): string {
  return [...graphJson(graph)].join("");
}

Deno.test("graphOfOne() has a tunnel for each peer, and for each Node that is none, with the reason", () => {
  const graph = graphOfOne(statusOf(5));
  const { nodes } = graph;
  const tunnels = tunnelsOf(graph);
  assert.deepEqual(nodes.map(({ name, kind }) => `${name} ${kind}`), [
    ...["n1 asked", "n2 seen", "n3 seen", "n4 seen", "n5 seen"],
  ]);
  assert.deepEqual(tunnels.map(({ a, b, state }) => `${a}-${b} ${state}`), [
    ...["0-1 up", "0-2 up", "0-3 up", "0-4 absent"],
  ]);
  assert.equal(tunnels.at(-1)?.why, "Node n5 has no podCIDRs yet");
});

Deno.test("graphOf() takes the worse word of two, the younger handshake and the larger count", () => {
  const tunnels = tunnelsOf(mesh([
    seenBy("n1", ({ peers, ...rest }) => ({
      ...rest,
      peers: peers.map((peer) => ({
        ...peer,
        ...{ state: "down", handshakeSeconds: 500, sentBytes: 7 },
      })),
    })),
    seenBy("n2", (status) => status),
    silent("n3", "its pod does not run"),
  ]));
  const [first, second, third] = tunnels;
  assert.equal(tunnels.length, 3);
  assert.equal(first?.state, "down");
  assert.equal(first?.handshakeSeconds, 2, "n2 knows a younger one");
  assert.equal(first?.aToBBytes, 20_000, "what n2 has received is more");
  assert.equal(second?.state, "down", "n3 said nothing, n1 did");
  assert.equal(third?.state, "up");
});

Deno.test("graphOf() draws nothing between two Nodes that could not be asked, and says which", () => {
  const graph = mesh([
    silent("n1", "no pod"),
    silent("n2", "no answer"),
  ]);
  assert.deepEqual(tunnelsOf(graph), []);
  assert.match(graphText(graph), /n1 could not be asked: no pod\./);
});

Deno.test("graphOf() has a tunnel broken where one end says so, and tells what each says", () => {
  const tunnels = tunnelsOf(mesh([
    cutFrom("n1", "n2"),
    seenBy("n2", (status) => status),
    silent("n3", "its pod does not run"),
  ]));
  const [first, second] = tunnels;
  assert.deepEqual(
    [first?.state, first?.aSays, first?.bSays.word],
    ["down", { word: "down", why: "no answer within 3 s" }, "up"],
  );
  assert.equal(
    first?.why,
    "n1 says down: no answer within 3 s; n2 says up",
  );
  assert.deepEqual(
    [second?.state, second?.bSays],
    ["up", { word: "unasked", why: "its pod does not run" }],
  );
});

Deno.test("graphOf() tells of a Node that is nobody's peer, and draws no line to it", () => {
  const why = "Node n3 has no public key";
  const graph = mesh([
    without("n1", { n3: why }),
    without("n2", { n3: why }),
    silent("n3", "it has no agent"),
  ]);
  assert.deepEqual(graph.nodes.map(({ peer, reason }) => [peer, reason]), [
    ...[[true, ""], [true, ""], [false, why]],
  ]);
  const text = graphText(graph);
  assert.match(text, /^3 Nodes, 1 tunnels: 1 up\./);
  assert.match(text, /n3 is nobody's peer: Node n3 has no public key\./);
  assert.match(text, /n3 could not be asked: it has no agent\./);
  const svg = graphSvg(graph);
  assert.equal(svg.match(/<g class="tunnel /g)?.length, 1);
  assert.match(svg, /<g class="node ill"[^]*?n3[^]*?nobody&#39;s peer<\/text>/);
  assert.match(svg, />! n3 is nobody&#39;s peer: Node n3 has no public key</);
  assert.equal(graphDot(graph).match(/ -- /g)?.length, 1);
  assert.match(graphDot(graph), /label="n3\\nnobody's peer\\ngave no answer"/);
  assert.equal(graphMermaid(graph).match(/---\|/g)?.length, 1);
});

Deno.test("graphOf() says nothing amiss of a peer that is no Node any more", () => {
  const graph = mesh([
    seenBy("n1", ({ peers, ...rest }) => ({
      ...rest,
      peers: peers.map((peer) =>
        peer.node === "n3" ? { ...peer, node: null } : peer
      ),
    })),
    seenBy("n2", ({ peers, ...rest }) => ({
      ...rest,
      peers: peers.filter(({ node }) => node !== "n3"),
    })),
  ]);
  assert.match(graph.nodes[0]?.name ?? "", /^key B+/);
  assert.deepEqual(tunnelsOf(graph).map(({ a, b, state }) => [a, b, state]), [
    ...[[0, 1, "up"], [1, 2, "up"]],
  ]);
});

Deno.test("the renderers tell a handshake of long ago from one of now", () => {
  const aged = (handshakeSeconds: number): Graph =>
    graphOfOne({
      ...statusOf(2),
      peers: statusOf(2).peers.map((peer) => ({
        ...peer,
        ...{ state: "idle", handshakeSeconds },
      })),
    });
  const dash = (graph: Graph): string | undefined =>
    /<g class="tunnel [^]*?stroke-dasharray="([^"]*)"/.exec(graphSvg(graph))
      ?.[1];
  assert.notEqual(dash(aged(900)), dash(aged(7_200)));
  for (const draw of [graphDot, graphMermaid]) {
    const [recent, old] = [900, 7_200].map((age) =>
      /(?:-- n1|linkStyle 0).*(#[0-9a-f]{6})/.exec(draw(aged(age)))?.[1]
    );
    assert.notEqual(recent, old);
  }
});

Deno.test("graphText() names what is broken, and only that", () => {
  const text = graphText(graphOfOne(brokenStatus()));
  assert.match(text, /^3 Nodes, 2 tunnels: 1 up, 1 down\./);
  assert.match(text, /n1 and n3: down, .*no answer within 6 s/);
  assert.doesNotMatch(text, /n2:/);
});

Deno.test("the renderers give the same text for the same graph, whatever order its reports came in", () => {
  const reports = ["n1", "n2", "n3"].map((name) =>
    seenBy(name, (status) => status)
  );
  for (const draw of [graphSvg, graphDot, graphMermaid, json]) {
    assert.equal(draw(mesh(reports)), draw(mesh(reports.toReversed())));
  }
});

Deno.test("graphJson() names both ends of each tunnel", () => {
  const { schema, tunnels } = JSON.parse(json(graphOfOne(statusOf(3))));
  assert.equal(schema, 1);
  assert.deepEqual(
    tunnels.map(({ a, b }: { a: string; b: string }) => [a, b]),
    [["n1", "n2"], ["n1", "n3"]],
  );
});

Deno.test("docs/graph.md names each key of graphJson(), and no other", () => {
  const page = Deno.readTextFileSync(
    new URL("../../docs/graph.md", import.meta.url),
  );
  const [, part = ""] = /## For programs\n([^]*?)\n## /.exec(page) ?? [];
  const named = [...part.matchAll(/^\| ((?:`\w+`(?:, )?)+) /gm)]
    .flatMap(([, keys = ""]) => [...keys.matchAll(/\w+/g)].map(String));
  const model = JSON.parse(json(graphOfOne(statusOf(3))));
  assert.deepEqual(
    named.sort(),
    [model, model.nodes[0], model.tunnels[0]].flatMap(Object.keys).sort(),
  );
});

Deno.test("graphSvg() tells states apart by dash and mark, not by colour alone", () => {
  const svg = graphSvg(graphOfOne(brokenStatus()));
  const [down = ""] = /<g class="tunnel down"[\s\S]*?<\/g>/.exec(svg) ?? [];
  assert.match(down, /stroke-dasharray="4 4"/);
  assert.match(down, />✕<\/text>/);
  const [up = ""] = /<g class="tunnel up"[\s\S]*?<\/g>/.exec(svg) ?? [];
  assert.doesNotMatch(up, /dasharray|✕/);
  for (const word of ["up:", "idle:", "down:", "no peer"]) {
    assert.match(svg, new RegExp(`<g class="legend[^>]*>.*>${word}`));
  }
});

Deno.test("graphSvg() writes a Node's words where its lines do not go, above it in the upper half", () => {
  const svg = graphSvg(graphOfOne(statusOf(3)));
  const nodes = [...svg.matchAll(/<g class="node .*?<\/g>/g)].map(([text]) => {
    const of = (pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
    return {
      y: of(/ cy="(\d+)"/),
      words: [...text.matchAll(/<text class="ink label" x="\d+" y="(\d+)"/g)]
        .map(([, y]) => Number(y)),
    };
  });
  const [hub, above, below] = nodes;
  assert.ok(hub !== undefined && above !== undefined && below !== undefined);
  assert.ok(above.y < hub.y && hub.y < below.y);
  assert.deepEqual([above.words.length, below.words.length], [2, 2]);
  assert.ok(above.words.every((y) => y > 0 && y < above.y), "above");
  assert.ok(below.words.every((y) => y > below.y), "below");
  const [name = 0, note = 0] = above.words;
  assert.ok(name < note, "its name first");
});

Deno.test("graphSvg() has a title, a description and a role for those who do not see it", () => {
  const svg = graphSvg(graphOfOne(brokenStatus()));
  assert.match(svg, /^<svg [^>]*role="img" aria-labelledby="(\S+) (\S+)"/);
  assert.match(svg, /<title id="graph-title">Tunnels of n1<\/title>/);
  assert.match(svg, /<desc id="graph-text">3 Nodes, .*n3.*<\/desc>/);
});

Deno.test("graphSvg() brings no script, style or address of anything else", () => {
  for (const graph of [ODD, graphOfOne(statusOf(500))]) {
    const svg = graphSvg(graph).replaceAll(/>[^<]*</g, "><")
      .replace('xmlns="http://www.w3.org/2000/svg"', "");
    assert.doesNotMatch(svg, /<script|<style|<image|href|url\(|http|onerror/);
  }
});

Deno.test("graphSvg() makes a matrix of many Nodes, a cell for each, the broken ones named", () => {
  const one = graphSvg(graphOfOne(statusOf(500)));
  assert.equal(one.match(/<g class="cell /g)?.length, 499);
  assert.match(one, />✕ n1 and n100: down/);
  assert.match(one, />! n1 and n500: no peer/);
  const circle = graphSvg(graphOfOne(statusOf(CIRCLE_LIMIT)));
  assert.doesNotMatch(circle, /class="cell/);
});

/** Of 500 Nodes, each asked, but for what is made of it. */
function largeMesh(
  change: (status: Status, at: number) => Report["answer"],
): Graph {
  const names = Array.from(
    { length: 500 },
    (_, at) => `n${String(at + 1).padStart(3, "0")}`,
  );
  return mesh(names.map((node, at) => {
    const others = names.toSpliced(at, 1);
    const status = statusOf(500, {
      name: (n) => [node, ...others][n - 1] ?? "",
    });
    return { node, answer: change(status, at) };
  }));
}

function asItIs(status: Status): Report["answer"] {
  return { kind: "status", status };
}

/** Made once: they are a quarter of a million tunnels. */
const known = new Map<typeof asItIs, Graph>();

function largeMeshOf(change: typeof asItIs): Graph {
  const graph = known.get(change) ?? largeMesh(change);
  known.set(change, graph);
  return graph;
}

function everyOtherDown(status: Status): Report["answer"] {
  const peers = status.peers.map((peer, at): PeerStatus =>
    at % 2 === 0 ? { ...peer, state: "down", probe: FAILED } : peer
  );
  return { kind: "status", status: { ...status, peers } };
}

Deno.test("graphSvg() of a mesh of 500 Nodes is a matrix below 8 MB, however much is broken", () => {
  for (const change of [asItIs, everyOtherDown]) {
    const svg = graphSvg(largeMeshOf(change));
    assert.ok(svg.length < 8_000_000, `${svg.length} bytes`);
    assert.match(svg, />A row says it of each column/);
    assert.match(svg, />n499</, "rows have names");
    assert.match(svg, /<title>n001 says of n\d+( to n\d+)?: down<\/title>/);
    assert.match(svg, /✕ n001 and n\d+: down/);
    assert.match(svg, />[!✕] and \d{4,6} more</);
  }
});

Deno.test("graphSvg() of a mesh has no row of what could not be asked, and marks it", () => {
  const graph = largeMesh((status, at) =>
    at === 2 ? { kind: "none", why: "no kubelet" } : asItIs(status)
  );
  const svg = graphSvg(graph);
  assert.match(svg, /class="ill"[^>]*>! n003</);
  assert.doesNotMatch(svg, /<title>n003 says of/);
  assert.match(svg, /<title>n001 says of n\d+: down/);
  assert.match(svg, />! n003 could not be asked: no kubelet</);
});

Deno.test("graphDot() and graphMermaid() draw of many tunnels the broken ones, and say so", () => {
  const graph = largeMeshOf(asItIs);
  const dot = graphDot(graph);
  assert.equal(dot.match(/ -- /g)?.length, LINES_LIMIT);
  assert.match(dot, /label="[^"]*broken ones: 500 of 124251 tunnels shown"/);
  assert.doesNotMatch(dot, /style=solid/);
  const mermaid = graphMermaid(graph);
  assert.equal(mermaid.match(/ x--x/g)?.length, LINES_LIMIT);
  assert.match(mermaid, /accTitle: .*broken ones: 500 of 124251 tunnels shown/);
});

const XMLLINT = "graphSvg() is well-formed XML, for a parser that is not ours";

Deno.test({
  name: XMLLINT,
  ignore: skipped(XMLLINT, { commands: ["xmllint"] }),
  fn: async () => {
    for (
      const graph of [
        ...[ODD, graphOfOne(statusOf(3)), graphOfOne(statusOf(500))],
        largeMeshOf(everyOtherDown),
      ]
    ) {
      const { code, stderr } = await piped(
        ["xmllint", "--noout", "-"],
        graphSvg(graph),
      );
      assert.equal(code, 0, stderr);
    }
    const { code } = await piped(["xmllint", "--noout", "-"], "<svg>");
    assert.notEqual(code, 0);
  },
});

const DOT =
  "graphDot() is understood by Graphviz, which shows each odd name as it is";

Deno.test({
  name: DOT,
  ignore: skipped(DOT, { commands: ["dot"] }),
  fn: async () => {
    const { code, stdout, stderr } = await piped(
      ["dot", "-Tjson"],
      graphDot(ODD),
    );
    assert.equal(code, 0, stderr);
    const { objects, edges } = JSON.parse(stdout);
    assert.equal(objects.length, ODD_NAMES.length);
    assert.equal(edges.length, ODD_NAMES.length - 1);
    const drawn: readonly string[] = objects.map(
      ({ _ldraw_ }: { _ldraw_: readonly { op: string; text?: string }[] }) =>
        _ldraw_.filter(({ op }) => op === "T").map(({ text }) => text).join(""),
    );
    for (
      const name of [
        'quo"te',
        "<script>alert(1)</script>",
        "back\\slash\\N\\",
        "&amp; &#39; #quot; #35;",
        "עברית",
      ]
    ) {
      assert.ok(drawn.includes(name), `${name} in ${drawn.join(" | ")}`);
    }
    const broken = mesh([cutFrom("n1", "n2"), silent("n2", 'a "reason"')]);
    const red = await piped(["dot", "-Tjson"], graphDot(broken));
    assert.equal(red.code, 0, red.stderr);
    assert.deepEqual(
      JSON.parse(red.stdout).edges.map((
        { color, style }: Readonly<Record<string, string>>,
      ) => [color, style]),
      [["#cf222e", "dashed"], ["#1a7f37", "solid"]],
    );
    const svg = await piped(["dot", "-Tsvg"], graphDot(ODD));
    assert.equal(svg.code, 0, svg.stderr);
    assert.doesNotMatch(svg.stdout, /<script/);
  },
});

Deno.test("graphMermaid() lets nothing of a name out of its quotation marks", () => {
  const lines = graphMermaid(ODD).trimEnd().split("\n");
  const text = String.raw`"(?:[\p{L}\p{N} .,:()/_-]|#\d+;)*"`;
  const grammar = new RegExp(
    [
      "flowchart LR",
      String.raw`  acc(?:Title|Descr): [\p{L}\p{N} .,:()/_-]*`,
      String.raw`  n\d+\[${text}\](?::::broken)?`,
      String.raw`  n\d+ (?:x--x|---)\|${text}\| n\d+`,
      String
        .raw`  linkStyle \d+ stroke:#[0-9a-f]{6},stroke-width:[\d.]+px(?:,stroke-dasharray:\d+ \d+)?`,
      String.raw`  classDef broken [a-z0-9#:, -]+`,
    ].map((line) => `^${line}$`).join("|"),
    "u",
  );
  assert.deepEqual(lines.filter((line) => !grammar.test(line)), []);
  assert.ok(lines.some((line) => line.includes("#34;")), "quotes by number");
});

async function piped(
  [command = "", ...args]: readonly string[],
  text: string,
): Promise<
  { readonly code: number; readonly stdout: string; readonly stderr: string }
> {
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

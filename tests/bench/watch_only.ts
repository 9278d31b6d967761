/**
 * What the agent is measured against: fetches the watch of all Nodes, splits it
 * into lines and JSON.parses each. Keeps nothing.
 *
 *     deno run -A tests/bench/watch_only.ts http://127.0.0.1:6443
 *
 * @module
 */

const WATCH = "/api/v1/nodes?watch=true&allowWatchBookmarks=true" +
  "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan" +
  "&resourceVersion=&timeoutSeconds=600";

const response = await fetch(`${Deno.args[0]}${WATCH}`);
let rest = "";
const chunks = response.body?.pipeThrough(new TextDecoderStream());
for await (const chunk of chunks ?? []) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    if (JSON.parse(line).type === "BOOKMARK") console.log("listed");
  }
}

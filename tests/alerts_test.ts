/**
 * The alerts and the dashboard speak of metrics that the agent has, and each
 * alert fires where it should and nowhere else. That a real agent has those
 * metrics is `tests/lab/metrics_test.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { load } from "js-yaml";
import { METRICS } from "../mod/view/metrics.ts";
import { skipped } from "./support/skip.ts";

const DEPLOY = new URL("../deploy/", import.meta.url);
const RULES = "prometheus/clusternet.rules.yaml";
const CASES = "prometheus/clusternet.rules.test.yaml";

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

interface Panel {
  readonly title: string;
  readonly gridPos: Readonly<Record<"x" | "y" | "w" | "h", number>>;
  readonly targets: readonly { readonly expr: string }[];
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, DEPLOY));
}

function rules(): readonly Rule[] {
  const { groups } = load(read(RULES)) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  return groups.flatMap((group) => group.rules);
}

function panels(): readonly Panel[] {
  return JSON.parse(read("grafana/clusternet.json")).panels;
}

/** What an expression asks of us and of the process. */
function metricsOf(expr: string): readonly string[] {
  const names = expr.match(/\b(clusternet|wireguard|process)_[a-z_]+\b/g) ?? [];
  return names.map((name) => name.replace(/_(bucket|sum|count)$/, ""));
}

Deno.test("every metric in the alerts and on the dashboard is one of the agent's", () => {
  const known = new Set(METRICS.map(({ name }) => name));
  const asked = [
    ...rules().map(({ alert, expr }) => ({ where: alert, expr })),
    ...panels().flatMap(({ title, targets }) =>
      targets.map(({ expr }) => ({ where: title, expr }))
    ),
  ];
  assert(asked.length > 20);
  for (const { where, expr } of asked) {
    const names = metricsOf(expr);
    assert(names.length > 0 || expr.startsWith("up{"), where);
    for (const name of names) assert(known.has(name), `${where}: ${name}`);
  }
});

Deno.test("every alert has a case, and every panel its own place", () => {
  const cases = read(CASES);
  for (const { alert } of rules()) {
    assert.match(
      cases,
      new RegExp(`alertname: ${alert}\\n +exp_alerts:\\n +- exp_labels`),
    );
  }
  const taken = new Set<string>();
  for (const { gridPos: { x, y, w, h }, title } of panels()) {
    assert(x + w <= 24, title);
    for (let at = 0; at < w * h; at++) {
      const place = `${x + at % w} ${y + Math.floor(at / w)}`;
      assert(!taken.has(place), title);
      taken.add(place);
    }
  }
});

const PROMTOOL = "promtool takes the alerts";

Deno.test({
  name: `${PROMTOOL}: each fires in its case and stays quiet in another`,
  ignore: skipped(PROMTOOL, { commands: ["promtool"] }),
  fn: async () => {
    for (const args of [["check", "rules", RULES], ["test", "rules", CASES]]) {
      const { code, stdout, stderr } = await new Deno.Command("promtool", {
        args,
        cwd: DEPLOY,
      }).output();
      const said = [stdout, stderr].map((each) =>
        new TextDecoder().decode(each)
      );
      assert.equal(code, 0, said.join("\n"));
    }
  },
});

Deno.test({
  name: `${PROMTOOL}: an alert that is turned round does not pass`,
  ignore: skipped(PROMTOOL, { commands: ["promtool"] }),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const turned = read(RULES).replace(
        "clusternet_ready == 0",
        "clusternet_ready == 1",
      );
      assert.notEqual(turned, read(RULES));
      await Deno.writeTextFile(`${folder}/clusternet.rules.yaml`, turned);
      await Deno.writeTextFile(`${folder}/cases.yaml`, read(CASES));
      const { code } = await new Deno.Command("promtool", {
        args: ["test", "rules", "cases.yaml"],
        cwd: folder,
        stdout: "null",
        stderr: "null",
      }).output();
      assert.notEqual(code, 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

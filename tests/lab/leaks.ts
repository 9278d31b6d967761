/**
 * Is anything left of a lab? Everything that a lab starts carries its mark in
 * its environment, and its namespaces are known; links and named namespaces of
 * the machine are compared with those of before.
 *
 * @module
 */

import { must } from "./exec.ts";
import { type Lab, LAB_MARK } from "./lab.ts";

export interface Before {
  readonly links: readonly string[];
  readonly netns: readonly string[];
}

/** The machine's links and named namespaces, to compare with later. */
export async function lookAround(): Promise<Before> {
  const links = await must(["ip", "-o", "link", "show"]);
  const netns = await must(["ip", "netns", "list"]);
  return {
    links: links.split("\n").map((line) => line.split(": ")[1] ?? ""),
    netns: netns.split("\n").map((line) => line.split(" ")[0] ?? ""),
  };
}

/** The kernel tears namespaces down behind the back of the last process. */
const PATIENCE_MS = 3_000;

/**
 * What is left of a lab that has ended; empty: nothing.
 * @param namespaces of the lab's nodes and underlay, from `labNamespaces()`
 */
export async function leftovers(
  run: string,
  options: { readonly before: Before; readonly namespaces: readonly string[] },
): Promise<readonly string[]> {
  const deadline = performance.now() + PATIENCE_MS;
  while (true) {
    const left = await look(run, options);
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** While it runs: "net:[4026532280]" of each of its places. */
export function labNamespaces(lab: Lab): readonly string[] {
  const spaces = [lab.underlay, ...lab.nodes.map((node) => node.space)];
  return spaces.map((space) => space.netns);
}

async function look(
  run: string,
  options: { readonly before: Before; readonly namespaces: readonly string[] },
): Promise<readonly string[]> {
  const { before, namespaces } = options;
  const now = await lookAround();
  const left: string[] = [];
  for (const link of now.links) {
    if (!before.links.includes(link)) left.push(`link ${link}`);
  }
  for (const name of now.netns) {
    if (!before.netns.includes(name)) left.push(`namespace ${name}`);
  }
  for (const pid of processes()) {
    const of = (file: string): string => `/proc/${pid}/${file}`;
    if (readable(of("environ")).includes(`${LAB_MARK}=${run}`)) {
      left.push(
        `process ${pid} ${readable(of("cmdline")).replaceAll("\0", " ")}`,
      );
    } else if (namespaces.includes(linkOf(of("ns/net")))) {
      left.push(`process ${pid} in a namespace of the lab`);
    }
  }
  const mounts = readable("/proc/self/mountinfo");
  for (const namespace of namespaces) {
    if (mounts.includes(namespace)) left.push(`mount of ${namespace}`);
  }
  for (const dir of ["/tmp", "/run", "/etc/cni/net.d"]) {
    for (const name of listing(dir)) {
      if (name.includes(run)) left.push(`file ${dir}/${name}`);
    }
  }
  return left;
}

function processes(): readonly string[] {
  return listing("/proc").filter((name) =>
    /^\d+$/.test(name) && name !== String(Deno.pid)
  );
}

function listing(dir: string): readonly string[] {
  try {
    return [...Deno.readDirSync(dir)].map(({ name }) => name);
  } catch {
    return [];
  }
}

function readable(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    return ""; // It has ended in between.
  }
}

function linkOf(file: string): string {
  try {
    return Deno.readLinkSync(file);
  } catch {
    return "";
  }
}

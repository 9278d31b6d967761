/**
 * Attaches pods as a container runtime does (libcni): the plugins of a
 * conflist, one after the other, each given the result of the one before.
 * The real programs, found where the machine has them.
 *
 * Environment and input: the CNI specification 0.3.1.
 *
 * @module
 */

import type { Space } from "./space.ts";
import { podNetns } from "./space.ts";

/** Debian's, and what everybody else uses. */
export const CNI_PLUGIN_DIRS = [
  "/usr/lib/cni",
  "/opt/cni/bin",
  "/usr/libexec/cni",
];

export const PLUGINS = ["ptp", "host-local", "portmap"];

/** The first directory that has all of them. `undefined`: none has. */
export async function findPlugins(): Promise<string | undefined> {
  for (const dir of CNI_PLUGIN_DIRS) {
    const there = await Promise.all(
      PLUGINS.map((plugin) =>
        Deno.stat(`${dir}/${plugin}`).then((info) => info.isFile, () => false)
      ),
    );
    if (there.every((yes) => yes)) return dir;
  }
  return undefined;
}

interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly Plugin[];
}

interface Plugin {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
}

export interface Attachment {
  /** Its addresses, one per family of the pods, without length. */
  readonly addresses: readonly string[];
  /** Result of the last plugin. */
  readonly result: unknown;
}

export interface PodPlace {
  readonly space: Space;
  readonly pluginDir: string;
  /** Name of the pod; its container ID too. */
  readonly pod: string;
  /** The text that the agent put in place. */
  readonly conflist: string;
  /** Given to plugins that declare "portMappings". */
  readonly portMappings?: readonly unknown[];
}

/** Makes the pod's network namespace and runs ADD. */
export async function addPod(place: PodPlace): Promise<Attachment> {
  await place.space.must(["ip", "netns", "add", place.pod]);
  const list = JSON.parse(place.conflist) as Conflist;
  let result: unknown = undefined;
  for (const plugin of list.plugins) {
    const said = await runPlugin(
      place,
      "ADD",
      config(place, list, plugin, result),
    );
    result = JSON.parse(said);
  }
  const { ips = [] } = (result ?? {}) as {
    readonly ips?: readonly { readonly address: string }[];
  };
  return {
    addresses: ips.map(({ address }) => address.replace(/\/\d+$/, "")),
    result,
  };
}

/** Runs DEL in the opposite order and removes the pod's namespace. */
export async function removePod(place: PodPlace): Promise<void> {
  const list = JSON.parse(place.conflist) as Conflist;
  for (const plugin of [...list.plugins].reverse()) {
    await runPlugin(place, "DEL", config(place, list, plugin, undefined));
  }
  await place.space.must(["ip", "netns", "del", place.pod]);
}

/** What libcni gives to one plugin of a list. */
function config(
  place: PodPlace,
  list: Conflist,
  plugin: Plugin,
  prevResult: unknown,
): string {
  const { capabilities = {}, ...own } = plugin;
  const runtimeConfig = capabilities["portMappings"] === true &&
      place.portMappings !== undefined
    ? { runtimeConfig: { portMappings: place.portMappings } }
    : {};
  return JSON.stringify({
    ...own,
    cniVersion: list.cniVersion,
    name: list.name,
    ...runtimeConfig,
    ...(prevResult === undefined ? {} : { prevResult }),
  });
}

async function runPlugin(
  place: PodPlace,
  verb: "ADD" | "DEL",
  input: string,
): Promise<string> {
  const { type } = JSON.parse(input) as Plugin;
  const { code, stdout, stderr } = await place.space.run([
    `${place.pluginDir}/${type}`,
  ], {
    input,
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: place.pod,
      CNI_NETNS: podNetns(place.pod),
      CNI_IFNAME: "eth0",
      CNI_PATH: place.pluginDir,
    },
  });
  if (code === 0) return stdout;
  throw new Error(
    `Cannot ${
      verb === "ADD" ? "attach" : "detach"
    } pod ${place.pod} of ${place.space.name}: ${type} says ${
      (stdout.trim() || stderr.trim()).replace(/\s+/g, " ")
    }`,
  );
}

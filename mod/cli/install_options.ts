/**
 * The options of `install` and `uninstall`. Those of `run` may be given to
 * `install` as well; they go into the file of variables, after the same checks.
 *
 * @module
 */

import { resolve } from "node:path";
import { parseArguments } from "../core/arguments.ts";
import { OPTIONS, variableName } from "../core/config.ts";
import { type Command, type Option, optionRows } from "../core/flags.ts";
import { parseAbsolutePath } from "../core/option_values.ts";
import { hiddenBy } from "../core/service_sandbox.ts";
import { flagReader } from "./flag_reader.ts";

const DRY_RUN: Option = {
  name: "dry-run",
  metavar: "",
  fallback: "false",
  help: "Print all that would be done, and change nothing.",
};

const ROOT: Option = {
  name: "root",
  metavar: "DIR",
  fallback: "/",
  help: "The tree to work in, for images; nothing is started there.",
};

// deno-fmt-ignore
const INSTALL_OPTIONS: readonly Option[] = [
  DRY_RUN,
  { name: "no-start", metavar: "", fallback: "false", help: "Enable the service, but leave it as it is until the next boot." },
  { name: "force", metavar: "", fallback: "false", help: "Replace files that somebody changed; a copy is kept beside each (.bak)." },
  { name: "prefix", metavar: "DIR", fallback: "/usr/local", help: "The executable goes into its bin." },
  ROOT,
];

// deno-fmt-ignore
const UNINSTALL_OPTIONS: readonly Option[] = [
  DRY_RUN,
  { name: "purge", metavar: "", fallback: "false", help: "Also link, routes, nftables table, CNI configuration, key and the rest of what the agent made." },
  { name: "yes", metavar: "", fallback: "false", help: "Do not ask before --purge." },
  { name: "force", metavar: "", fallback: "false", help: "Remove files that somebody changed as well." },
  { name: "node-only", metavar: "", fallback: "false", help: "Only take back what the Node object says of this network: for scripts of packages." },
  ROOT,
];

/** Those of `run` that make sense in a file. */
const SERVICE_OPTIONS = OPTIONS.filter(({ name }) => name !== "once");

const INSTALL: Command = {
  name: "install",
  options: [...INSTALL_OPTIONS, ...SERVICE_OPTIONS],
};

const UNINSTALL: Command = { name: "uninstall", options: UNINSTALL_OPTIONS };

export interface InstallArguments {
  readonly dryRun: boolean;
  readonly start: boolean;
  readonly force: boolean;
  readonly prefix: string;
  readonly root: string;
  /** CLUSTERNET_… to what was given, in the order of the table. */
  readonly variables: ReadonlyMap<string, string>;
}

export interface UninstallArguments {
  readonly dryRun: boolean;
  readonly purge: boolean;
  readonly yes: boolean;
  readonly force: boolean;
  /** Files and kernel are somebody else's business. */
  readonly nodeOnly: boolean;
  readonly root: string;
}

/** @throws {FatalError} of exit code 2 */
export function parseInstall(args: readonly string[]): InstallArguments {
  const read = flagReader(args, INSTALL);
  const forService = SERVICE_OPTIONS.flatMap((option) => {
    const text = read.value(option.name, (given) => pathOf(option, given));
    return text === undefined ? [] : [{ option, text }];
  });
  // The same checks as at the start; the host's name is not to be judged here.
  parseArguments(
    forService.map(({ option, text }) => `--${option.name}=${text}`),
    {},
    { hostName: "node" },
  );
  return {
    dryRun: read.flag("dry-run"),
    start: !read.flag("no-start"),
    force: read.flag("force"),
    prefix: read.value("prefix", parsePrefixPath) ?? "/usr/local",
    root: read.value("root", parseRoot) ?? "/",
    variables: new Map(
      forService.map(({ option, text }) => [variableName(option), text]),
    ),
  };
}

/** @throws {FatalError} of exit code 2 */
export function parseUninstall(args: readonly string[]): UninstallArguments {
  const read = flagReader(args, UNINSTALL);
  return {
    dryRun: read.flag("dry-run"),
    purge: read.flag("purge"),
    yes: read.flag("yes"),
    force: read.flag("force"),
    nodeOnly: read.flag("node-only"),
    root: read.value("root", parseRoot) ?? "/",
  };
}

export function installHelp(): string {
  return [
    "clusternet install: make this executable a service of this machine (root).",
    "",
    "Usage: clusternet install [FLAGS]",
    "",
    ...optionRows(INSTALL_OPTIONS),
    "",
    "The flags of `clusternet run` (but --once) may be given as well: they are checked",
    "and written to /etc/clusternet/clusternet.env, if that is not there yet; it is",
    "yours from then on. Files that somebody changed are never overwritten.",
    "",
  ].join("\n");
}

export function uninstallHelp(): string {
  return [
    "clusternet uninstall: take the service off this machine again (root).",
    "",
    "Usage: clusternet uninstall [FLAGS]",
    "",
    ...optionRows(UNINSTALL_OPTIONS),
    "",
    "Without --purge the link, its routes and the key stay, and so do all connections.",
    "Files that somebody changed stay, and are named.",
    "",
  ].join("\n");
}

/** It stands in the units, where spaces and some signs mean something else (systemd.syntax(7)). */
function parsePrefixPath(text: string): string {
  const path = text.replace(/(?<=.)\/+$/, "");
  if (path === "/") return path;
  if (/^[\w@+:.,/-]*$/.test(path)) return parseAbsolutePath(path);
  throw new SyntaxError(
    "units can name only paths of letters, digits and @+:.,-_",
  );
}

/** Options that name a file; of the first two the agent takes a relative path as well. */
const FILES = ["kubeconfig", "config", "private-key-file", "cni-conf-file"];

/** As the service will see it, which has another working directory and a sandbox. */
function pathOf({ name }: Option, text: string): string {
  if (name === "cni-bin-dir" && text !== "") {
    return text.split(",").map(seen).join(",");
  }
  if (!FILES.includes(name) || text === "") return text;
  const relative = ["kubeconfig", "config"].includes(name);
  return seen(relative ? resolve(text) : text);
}

/** The path, if the service's sandbox lets it be seen. */
function seen(path: string): string {
  const place = hiddenBy(path);
  if (place === undefined) return path;
  throw new SyntaxError(
    `the service does not see ${place}; put it somewhere else, like below /etc`,
  );
}

/** As the shell completes it: relative, with a slash behind. */
function parseRoot(text: string): string {
  if (text !== "") return resolve(text);
  throw new SyntaxError("give a directory");
}

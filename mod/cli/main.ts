/**
 * The command line: one file a command, imported when it is called for.
 *
 * @module
 */

import { errorText, FatalError } from "../core/errors.ts";
import { type BuildInfo, SOURCE_BUILD } from "../core/version.ts";

const HELP =
  `clusternet gives a Kubernetes cluster its pod network, over WireGuard.

Usage: clusternet COMMAND [OPTIONS]

Commands:
  run             Be the agent of this node, until a signal ends it
  status          What this node's agent sees; --all: every Node's, by a kubeconfig
  doctor          What is wrong with this node, between two, or --all, and what to do
  graph           Draw this node's tunnels, or --all the mesh: SVG, Graphviz, Mermaid or JSON
  plan            What the agent would do now, as commands, and why
  support-bundle  All that a maintainer needs, and no secret, in one tar.gz; --all: of every Node
  install         Make this executable a service of this machine
  uninstall       Take it off again; --purge: with link, routes and key
  version         Print version, commit, Deno version and build kind
  help            Print this text; \`clusternet COMMAND --help\` lists its options

Exit codes: 0 well; 1 something is wrong, the sentence says what; 2 usage.
`;

/** Options of the launcher in ffi/launcher.c. */
const BUNDLED_HELP = `
Before the command, for what this executable unpacks at its first start:
  --runtime-dir DIR  Where to, instead of below /var/lib, $XDG_CACHE_HOME or $HOME
  --runtime-info     Print its versions and digests, and check them
`;

/** @returns the exit code */
export async function main(
  args: readonly string[],
  build: BuildInfo = SOURCE_BUILD,
): Promise<number> {
  const [command, ...rest] = args;
  try {
    return await dispatch(command, rest, build);
  } catch (error) {
    if (error instanceof FatalError) {
      complain(error.message);
      return error.exitCode;
    }
    complain(`${errorText(error)} (this is a defect of clusternet itself)`);
    if (error instanceof Error && error.stack !== undefined) {
      complain(error.stack);
    }
    return 1;
  }
}

async function dispatch(
  command: string | undefined,
  args: readonly string[],
  build: BuildInfo,
): Promise<number> {
  switch (command) {
    case "run": {
      const { run } = await import("./run.ts");
      return await run(args);
    }
    case "install": {
      const { install } = await import("./install.ts");
      return await install(args, build);
    }
    case "uninstall": {
      const { uninstall } = await import("./uninstall.ts");
      return await uninstall(args);
    }
    case "doctor": {
      const { doctor } = await import("./doctor.ts");
      return await doctor(args);
    }
    case "plan": {
      const { plan } = await import("./plan.ts");
      return await plan(args);
    }
    case "graph": {
      const { graph } = await import("./graph.ts");
      return await graph(args);
    }
    case "support-bundle": {
      const { supportBundle } = await import("./support_bundle.ts");
      return await supportBundle(args, build);
    }
    case "status": {
      const { status } = await import("./status.ts");
      return await status(args);
    }
    case "version":
    case "--version": {
      refuseArguments(command, args);
      const { versionText } = await import("./version.ts");
      return print(versionText(build));
    }
    case "help":
    case "--help":
    case "-h":
      return print(build.kind === "bundled" ? HELP + BUNDLED_HELP : HELP);
    case undefined:
      complain("a command is missing; `clusternet help` lists them");
      return 2;
    default:
      complain(
        `there is no command "${command}"; \`clusternet help\` lists them`,
      );
      return 2;
  }
}

function refuseArguments(command: string, args: readonly string[]): void {
  if (args.length === 0) return;
  throw new FatalError(
    `${command} takes no arguments, "${args[0]}" was given`,
    2,
  );
}

function print(text: string): number {
  console.log(text.trimEnd());
  return 0;
}

function complain(text: string): void {
  console.error(`clusternet: ${text}`);
}

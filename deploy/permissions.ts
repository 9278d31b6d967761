/**
 * What the agent's process is allowed and how V8 is set, in one place: the lab,
 * `deno task compile` and `deno task build` all take it from here; `deno task
 * permissions` prints it for a shell.
 *
 * Bare where an option may name any path or server, named elsewhere. What lies
 * below /proc and /sys goes through the shim.
 *
 * @module
 */

import { OPTIONS, variableName } from "../mod/core/config.ts";
import { libcFiles } from "../mod/sys/ffi.ts";

/**
 * The variables that the program reads. The others are as if not set
 * (`--ignore-env`); programs that it starts inherit them all the same.
 */
export const VARIABLES: readonly string[] = [
  ...OPTIONS.map(variableName),
  "CLUSTERNET_DEBUG",
  "COLUMNS",
  "FORCE_COLOR",
  "HOME",
  "JOURNAL_STREAM",
  "KUBECONFIG",
  "KUBERNETES_SERVICE_HOST",
  "KUBERNETES_SERVICE_PORT",
  "NODE_NAME",
  "NOTIFY_SOCKET",
  "NO_COLOR",
  "TERM",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
];

/**
 * What the launcher tells the program besides: its own file, and the runtime's
 * directory.
 */
export const LAUNCHER_VARIABLES: readonly string[] = [
  "CLUSTERNET_EXECUTABLE",
  "CLUSTERNET_RUNTIME",
];

/** Of `Deno`: for the Node's name, and for whose the key file must be. */
const SYSTEM_FACTS = ["hostname", "uid"];

/** Where `ffi.ts` opens the shim: a file in memory. */
const MEMORY_FILES = "/proc/self/fd";

export interface PermissionOptions {
  /** Default: this machine's. */
  readonly arch?: typeof Deno.build.arch;
  /** Absolute paths of the C library, instead of where distributions have it. */
  readonly libc?: readonly string[];
  /** More than `VARIABLES`. */
  readonly variables?: readonly string[];
}

/** Flags of `deno run` and `deno compile`. */
export function permissions(
  { arch = Deno.build.arch, libc, variables = [] }: PermissionOptions = {},
): readonly string[] {
  const files = [...libc ?? libcFiles(arch), MEMORY_FILES];
  return [
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-run",
    `--allow-env=${[...VARIABLES, ...variables].join(",")}`,
    "--ignore-env",
    `--allow-sys=${SYSTEM_FACTS.join(",")}`,
    `--allow-ffi=${files.join(",")}`,
    // Else Deno takes modules from a list of servers of its own.
    "--deny-import",
  ];
}

/** Of this machine. */
export const PERMISSIONS: readonly string[] = permissions();

/**
 * V8 would let garbage pile up to three times the memory that is in use, for a
 * speed that the agent has no need of.
 */
export const V8_FLAGS =
  "--v8-flags=--max-semi-space-size=1,--optimize-for-size";

/** What is not allowed is refused: nobody is there to be asked. */
export const NO_PROMPT = "--no-prompt";

if (import.meta.main) {
  console.log([NO_PROMPT, ...PERMISSIONS, V8_FLAGS].join(" "));
}

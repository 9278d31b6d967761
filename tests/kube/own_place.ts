/**
 * A place of its own for a cluster: namespaces for network, mounts, processes
 * and the host name, in which this program is run once more. Its network is the
 * underlay, so what runs in it is a host beside the nodes. Invariant: when
 * either process ends, however, all that was started in there ends, and the
 * folder and the control groups go with it.
 *
 * @module
 */

import { dieWithUs, labEnv, SHELL } from "../lab/exec.ts";
import { eachLine } from "../support/lines.ts";
import { removeControlGroups } from "./control_groups.ts";

/** Set in the place: the folder for everything that the cluster writes. */
const FOLDER = "KUBE_TEST_FOLDER";

/** What a boot would make; the rest of the machine's files stay to be seen. */
const SETUP = `
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
`;

export interface Place {
  /** On a disk; its name is unlike that of any other place. */
  readonly folder: string;
  /** Of the control groups that belong to it, in each hierarchy. */
  readonly cgroup: string;
}

/** `undefined`: this process is not in one. */
export function ownPlace(): Place | undefined {
  const folder = Deno.env.get(FOLDER);
  return folder === undefined ? undefined : placeOf(folder);
}

/** @throws {Error} outside of one */
export function mustOwnPlace(): Place {
  const place = ownPlace();
  if (place !== undefined) return place;
  throw new Error(
    "Cannot start a cluster here: deno task test:kube FILE runs it in namespaces of its own",
  );
}

function placeOf(folder: string): Place {
  const name = folder.slice(folder.lastIndexOf("/") + 1);
  return { folder, cgroup: name };
}

export interface PlaceOptions {
  /** Ends it all at once: nothing in there is worth a farewell. */
  readonly signal: AbortSignal;
  /** Called for each line of both outputs; default: they go where ours go. */
  readonly onLine?: (line: string) => void;
}

/** Runs a command in a new place, to its end. @returns its exit code */
export async function inOwnPlace(
  commandFor: (place: Place) => readonly string[],
  { signal, onLine }: PlaceOptions,
): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "clusternet-kube-" });
  const place = placeOf(folder);
  try {
    const output = onLine === undefined ? "inherit" : "piped";
    const [program = "", ...args] = dieWithUs(
      placeCommand(commandFor(place)),
    );
    const child = new Deno.Command(program, {
      args,
      clearEnv: true,
      env: labEnv({ [FOLDER]: folder }),
      stdin: "null",
      stdout: output,
      stderr: output,
    }).spawn();
    const end = (): void => child.kill("SIGKILL");
    signal.addEventListener("abort", end, { once: true });
    try {
      if (signal.aborted) end();
      if (onLine !== undefined) {
        await Promise.all([
          eachLine(child.stdout, onLine),
          eachLine(child.stderr, onLine),
        ]);
      }
      return (await child.status).code;
    } finally {
      signal.removeEventListener("abort", end);
    }
  } finally {
    await removePlace(place);
  }
}

/** The shell is the first process there: it buries those that nobody waits for. */
function placeCommand(command: readonly string[]): readonly string[] {
  return [
    ...["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork"],
    ...["--kill-child", "--mount-proc", "--propagation", "private", "--"],
    ...[SHELL, "-c", `${SETUP}\n"$@"\nexit $?`, SHELL, ...command],
  ];
}

async function removePlace({ folder, cgroup }: Place): Promise<void> {
  await removeControlGroups(cgroup);
  await Deno.remove(folder, { recursive: true });
}

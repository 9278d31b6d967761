/**
 * `clusternet uninstall`: stops the service and removes what `install` wrote.
 * Link, routes and key stay, so that nothing is cut off, unless they are purged;
 * then all of it is listed before anything is asked or done.
 *
 * @module
 */

import { FatalError } from "../core/errors.ts";
import {
  changedPaths,
  fileActionText,
  type FilePlan,
  planUninstall,
  type RecordedFile,
} from "../core/file_plan.ts";
import { wantsHelp } from "../core/flags.ts";
import { type Installed, RECORD_FILE } from "../core/installed.ts";
import { purgeStepText } from "../core/purge_plan.ts";
import {
  type CommandLine,
  planForget,
  planStop,
  type Systemd,
} from "../core/service_plan.ts";
import { findFile } from "../sys/place_files.ts";
import { observeSystemd } from "../sys/systemctl.ts";
import { emptied, removeFiles, runAll, sweep } from "./install_apply.ts";
import {
  parseUninstall,
  type UninstallArguments,
  uninstallHelp,
} from "./install_options.ts";
import {
  below,
  lockPlace,
  packagedUnit,
  readRecord,
  refusePackaged,
  refuseWithoutRoot,
} from "./install_place.ts";
import { listNode, tellNode, withdraw } from "./uninstall_node.ts";
import {
  lookForRemains,
  type Purge,
  purgeAll,
  refuseRunning,
  serviceHere,
} from "./uninstall_purge.ts";

interface Plan extends FilePlan {
  readonly systemd: Systemd;
  readonly installed: readonly RecordedFile[];
  /** What is on record afterwards. */
  readonly record: Installed | undefined;
  readonly before: readonly CommandLine[];
  readonly after: readonly CommandLine[];
  /** `undefined`: it is about a tree, where no agent has run. */
  readonly remains: Purge | undefined;
}

/** @returns the exit code */
export async function uninstall(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(uninstallHelp().trimEnd());
    return 0;
  }
  const options = parseUninstall(args);
  const { root, dryRun, purge } = options;
  refuseWithoutRoot("uninstall", root);
  if (options.nodeOnly) return await leaveNode(options);
  refuseUnasked(options);
  using _lock = dryRun ? undefined : lockPlace(root);
  const plan = await makePlan(options);
  if (purge) refuseForeignAgent(plan);
  if (dryRun) {
    list(plan, { purge });
    console.log("This was a dry run: nothing is changed");
    return 0;
  }
  if (purge && !options.yes && !asked(plan)) {
    console.log("Nothing is changed");
    return 1;
  }
  return await carryOut(plan, options);
}

/** The agent has ended; link and routes stay. */
async function leaveNode(options: UninstallArguments): Promise<number> {
  const service = await serviceHere();
  if (options.dryRun) {
    listNode(service, options);
    return 0;
  }
  const unsaid = await withdraw(service, options);
  tellNode(service, { purge: options.purge, unsaid });
  return unsaid === undefined ? 0 : 1;
}

async function carryOut(
  plan: Plan,
  { root, purge }: UninstallArguments,
): Promise<number> {
  const { remains } = plan;
  for (const sentence of keptBy(plan, purge)) console.log(sentence);
  const stopped = await runAll(plan.before);
  if (purge && !stopped) {
    throw new FatalError(
      "Cannot purge while the service does not stop: see above, then run it again",
      1,
    );
  }
  using _agent = purge && remains ? refuseRunning(remains) : undefined;
  sweep(plan.installed.map(({ path }) => path), root);
  removeFiles(plan.actions, { root, record: plan.record });
  const reloaded = await runAll(plan.after);
  const unsaid = remains && await withdraw(remains, { purge });
  const purged = !purge || remains === undefined || await purgeAll(remains);
  console.log(`clusternet is ${purge ? "purged" : "uninstalled"}`);
  if (remains !== undefined) {
    tellRest(remains, purge);
    tellNode(remains, { purge, unsaid });
  }
  return stopped && reloaded && purged ? 0 : 1;
}

async function makePlan(options: UninstallArguments): Promise<Plan> {
  const { root, force, purge } = options;
  const installed = readRecord(root);
  // What was installed beside a package can go: the package takes over.
  if (installed.files.length === 0 || purge) refusePackaged("uninstall", root);
  const handOver = packagedUnit(root) !== undefined;
  if (installed.files.length === 0 && !purge) {
    throw new FatalError(
      `Cannot uninstall clusternet: \`clusternet install\` has not put it here (there is no ${
        below(root, RECORD_FILE)
      }); --purge removes what an agent left`,
      1,
    );
  }
  const systemd = await observeSystemd(root);
  const found = new Map(
    installed.files.map(({ path }) => [path, findFile(below(root, path))]),
  );
  const { actions, kept, refused } = planUninstall(
    // The unit before what it needs.
    { found, recorded: installed.files.toReversed() },
    { force, config: purge },
  );
  const files = changedPaths(actions);
  const staying = installed.files.filter(({ path }) =>
    !files.includes(path) && found.get(path)?.kind !== "nothing"
  );
  // What stays is ours to remove another time; nothing of that: no record.
  const record = staying.length === 0
    ? undefined
    : { ...installed, files: staying };
  const gone = record === undefined ? [...files, RECORD_FILE] : files;
  const directories = emptied(installed.directories, { root, gone });
  return {
    systemd,
    installed: installed.files,
    actions: [
      ...actions,
      ...directories.map((path) =>
        ({ kind: "remove-directory", path }) as const
      ),
    ],
    kept,
    refused,
    record,
    before: planStop(systemd, { purge, handOver }),
    after: planForget(systemd, { changed: files, handOver }),
    remains: root === "/" ? await look(gone, purge) : undefined,
  };
}

/** Without --purge it is only for the closing lines. */
async function look(
  gone: readonly string[],
  purge: boolean,
): Promise<Purge | undefined> {
  try {
    return await lookForRemains(gone);
  } catch (error) {
    if (purge) throw error;
    return undefined;
  }
}

/** One that the service manager does not know: somebody started it by hand. */
function refuseForeignAgent({ systemd, remains }: Plan): void {
  const stops = systemd.kind === "running" && systemd.unit.active;
  if (stops || remains === undefined) return;
  refuseRunning(remains)?.[Symbol.dispose]();
}

function refuseUnasked({ purge, yes, dryRun }: UninstallArguments): void {
  if (!purge || yes || dryRun || Deno.stdin.isTerminal()) return;
  throw new FatalError(
    "Cannot ask before --purge: this is no terminal; look with --dry-run, then give --yes",
    1,
  );
}

function asked(plan: Plan): boolean {
  list(plan, { purge: true });
  return confirm("Do all of this?");
}

function keptBy({ kept, remains }: Plan, purge: boolean): readonly string[] {
  return [...kept, ...(purge ? remains?.kept ?? [] : [])];
}

function list(plan: Plan, { purge }: { readonly purge: boolean }): void {
  const { before, actions, after, remains } = plan;
  for (const sentence of keptBy(plan, purge)) console.log(sentence);
  for (const line of before) console.log(line.join(" "));
  for (const action of actions) console.log(fileActionText(action));
  for (const line of after) console.log(line.join(" "));
  if (remains !== undefined) listNode(remains, { purge });
  if (!purge) return;
  for (const step of remains?.steps ?? []) console.log(purgeStepText(step));
}

function tellRest(remains: Purge, purge: boolean): void {
  const { steps } = remains;
  if (purge || steps.length === 0) return;
  console.log(
    "What the agent made stays, and so do all connections. To remove it:",
  );
  for (const step of steps) console.log(`  ${purgeStepText(step)}`);
}

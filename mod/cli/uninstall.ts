/**
 * `clusternet uninstall`: stops the service and removes what `install` wrote.
 * Link, routes and key stay, so that nothing is cut off, unless they are purged.
 *
 * @module
 */

import { FatalError } from "../core/errors.ts";
import {
  changedPaths,
  fileActionText,
  type FilePlan,
  planUninstall,
} from "../core/file_plan.ts";
import { wantsHelp } from "../core/flags.ts";
import { type Installed, RECORD_FILE } from "../core/installed.ts";
import {
  type CommandLine,
  planForget,
  planStop,
} from "../core/service_plan.ts";
import { findFile } from "../sys/place_files.ts";
import { observeSystemd } from "../sys/systemctl.ts";
import { emptied, removeFiles, runAll } from "./install_apply.ts";
import {
  parseUninstall,
  type UninstallArguments,
  uninstallHelp,
} from "./install_options.ts";
import {
  below,
  lockPlace,
  readRecord,
  refusePackaged,
  refuseWithoutRoot,
} from "./install_place.ts";

interface Plan extends FilePlan {
  /** What is on record afterwards. */
  readonly record: Installed | undefined;
  readonly before: readonly CommandLine[];
  readonly after: readonly CommandLine[];
}

/** @returns the exit code */
export async function uninstall(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(uninstallHelp().trimEnd());
    return 0;
  }
  const options = parseUninstall(args);
  const { root, dryRun } = options;
  refuseWithoutRoot("uninstall", root);
  refusePackaged("uninstall", { root });
  using _lock = dryRun ? undefined : lockPlace(root);
  const plan = await makePlan(options);
  for (const sentence of plan.kept) console.log(sentence);
  if (dryRun) return tell(plan);
  const good = await runAll(plan.before);
  removeFiles(plan.actions, { root, record: plan.record });
  const better = await runAll(plan.after);
  console.log("clusternet is uninstalled");
  return good && better ? 0 : 1;
}

async function makePlan(options: UninstallArguments): Promise<Plan> {
  const { root, force, purge } = options;
  const installed = readRecord(root);
  if (installed.files.length === 0) {
    throw new FatalError(
      `Cannot uninstall clusternet: \`clusternet install\` has not put it here (there is no ${
        below(root, RECORD_FILE)
      })`,
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
  const gone = changedPaths(actions);
  const record = keptRecord(installed, gone);
  const directories = emptied(installed.directories, {
    root,
    gone: record === undefined ? [...gone, RECORD_FILE] : gone,
  });
  return {
    actions: [
      ...actions,
      ...directories.map((path) =>
        ({ kind: "remove-directory", path }) as const
      ),
    ],
    kept,
    refused,
    record,
    before: planStop(systemd, { purge }),
    after: planForget(systemd, { changed: gone }),
  };
}

/** What stays is ours to remove another time; nothing of that: no record. */
function keptRecord(
  installed: Installed,
  gone: readonly string[],
): Installed | undefined {
  const files = installed.files.filter(({ path }) => !gone.includes(path));
  return files.length === 0 ? undefined : { ...installed, files };
}

function tell({ before, actions, after }: Plan): number {
  for (const line of before) console.log(line.join(" "));
  for (const action of actions) console.log(fileActionText(action));
  for (const line of after) console.log(line.join(" "));
  console.log("This was a dry run: nothing is changed");
  return 0;
}

/**
 * `clusternet install`: looks at everything, decides (`core/file_plan.ts`,
 * `core/service_plan.ts`), refuses before the first write or does it all. Killed
 * in between, it comes to the same end when it is run again.
 *
 * @module
 */

import { parseEnvFile } from "../core/env_file.ts";
import { FatalError } from "../core/errors.ts";
import {
  adoptedPaths,
  changedPaths,
  type FileAction,
  fileActionText,
  type FilePlan,
  planInstall,
  recordOf,
  type WantedFile,
} from "../core/file_plan.ts";
import { wantsHelp } from "../core/flags.ts";
import { type Installed, installedText } from "../core/installed.ts";
import { parseInterface } from "../core/option_values.ts";
import {
  type CommandLine,
  planStart,
  type Systemd,
} from "../core/service_plan.ts";
import { directoriesToLetIn } from "../core/service_sandbox.ts";
import { type BuildInfo, VERSION } from "../core/version.ts";
import { type Content, digestOf, findFile } from "../sys/place_files.ts";
import { observeSystemd } from "../sys/systemctl.ts";
import {
  applyFiles,
  completeRecord,
  RECORD_TEXT,
  runAll,
  sweep,
} from "./install_apply.ts";
import { deployedFiles, ENV_FILE, EXECUTABLE_MODE } from "./install_files.ts";
import {
  type InstallArguments,
  installHelp,
  parseInstall,
} from "./install_options.ts";
import {
  backupBelow,
  below,
  lockPlace,
  ownExecutable,
  readRecord,
  refuseOutside,
  refusePackaged,
  refusePart,
  refuseWithoutRoot,
} from "./install_place.ts";
import { reportService, tellNetworkd } from "./install_report.ts";

/** The variable of --interface. */
const INTERFACE = "CLUSTERNET_INTERFACE";

interface Wanted extends WantedFile {
  readonly content: Content;
}

interface Plan extends FilePlan {
  readonly wanted: readonly Wanted[];
  /** On record while the files change, and afterwards. */
  readonly during: Installed;
  readonly after: Installed;
  /** Is that not on record yet? A run may have been killed just before. */
  readonly unrecorded: boolean;
  readonly commands: readonly CommandLine[];
}

/** @returns the exit code */
export async function install(
  args: readonly string[],
  build: BuildInfo,
): Promise<number> {
  if (wantsHelp(args)) {
    console.log(installHelp().trimEnd());
    return 0;
  }
  const options = parseInstall(args);
  const { root, dryRun } = options;
  const executable = ownExecutable(build);
  refuseWithoutRoot("install", root);
  refusePackaged("install", root);
  refusePart(executable);
  using _lock = dryRun ? undefined : lockPlace(root);
  const systemd = await observeSystemd(root);
  refuseWithoutSystemd(systemd, options);
  const plan = makePlan(options, { executable, systemd });
  if (!dryRun) sweep(plan.wanted.map(({ path }) => path), root);
  if (!plan.unrecorded && plan.commands.length === 0) {
    console.log(`clusternet ${VERSION} is installed already: nothing to do`);
    return dryRun ? 0 : await reportService(systemd, options);
  }
  for (const sentence of plan.kept) console.log(sentence);
  if (dryRun) return tell(plan);
  const good = await carryOut(plan, root);
  console.log(`clusternet ${VERSION} is installed`);
  tellNetworkd(changedPaths(plan.actions), systemd);
  const code = await reportService(systemd, options);
  return good ? code : 1;
}

/** On record as complete only when systemd knows: else the next run tells it again. */
async function carryOut(plan: Plan, root: string): Promise<boolean> {
  if (!plan.unrecorded) return await runAll(plan.commands);
  const directories = applyFiles(plan.actions, {
    root,
    contents: new Map(plan.wanted.map(({ path, content }) => [path, content])),
    during: plan.during,
  });
  const good = await runAll(plan.commands);
  if (good) completeRecord(root, { ...plan.after, directories });
  return good;
}

interface Place {
  readonly executable: string;
  readonly systemd: Systemd;
}

/** @throws {FatalError} where something is in the way: all of it, a sentence each */
function makePlan(
  options: InstallArguments,
  { executable, systemd }: Place,
): Plan {
  const { root, force, start } = options;
  const wanted = wantedFiles(executable, options);
  refuseOutside(root, wanted.map(({ path }) => path));
  const record = readRecord(root);
  const paths = [...wanted, ...record.files].map(({ path }) => path);
  const found = new Map(
    paths.map((path) => [path, findFile(below(root, path))]),
  );
  const plan = planInstall(wanted, { found, recorded: record.files }, {
    force,
    backupOf: (path) => backupBelow(root, path),
  });
  if (plan.refused.length > 0) {
    throw new FatalError(plan.refused.join("\nclusternet: "), 1);
  }
  refuseOtherVariables(options);
  const observed = { found, recorded: record.files };
  const changed = [
    ...changedPaths(plan.actions),
    ...record.complete
      ? adoptedPaths(wanted, observed)
      : wanted.map(({ path }) => path),
  ];
  const commands = planStart(systemd, { changed, start });
  const records = recordsOf(wanted, { record, actions: plan.actions });
  const unrecorded = plan.actions.length > 0 ||
    installedText(records.after) !== installedText(record);
  return { ...plan, ...records, wanted, unrecorded, commands };
}

function wantedFiles(
  executable: string,
  { root, prefix, variables }: InstallArguments,
): readonly Wanted[] {
  const path = `${prefix === "/" ? "" : prefix}/bin/clusternet`;
  const self: Content = { kind: "copy", of: executable };
  const all = new Map([...variablesThere(root), ...variables]);
  const files = deployedFiles({
    executable: path,
    variables,
    link: linkName(all),
    letIn: directoriesToLetIn(all),
  });
  const texts = files.map((file) => {
    const content: Content = { kind: "text", text: file.text };
    const { target, mode, config } = file;
    return { path: target, mode, config, content, ...digestOf(content) };
  });
  return [
    // First: a unit without its program would be the worse half.
    {
      path,
      mode: EXECUTABLE_MODE,
      config: false,
      content: self,
      ...digestOf(self),
    },
    ...texts,
  ];
}

function recordsOf(
  wanted: readonly Wanted[],
  { record, actions }: {
    readonly record: Installed;
    readonly actions: readonly FileAction[];
  },
): { readonly during: Installed; readonly after: Installed } {
  const { directories } = record;
  const during = recordOf(wanted, record.files);
  const gone = new Set(
    actions.flatMap((it) => it.kind === "remove" ? [it.path] : []),
  );
  const after = during.filter(({ path }) => !gone.has(path)).map((one) => {
    const file = wanted.find(({ path }) => path === one.path);
    if (file === undefined || file.config) return one;
    return { ...one, digests: [file.digest] };
  });
  const rest = { version: VERSION, directories };
  return {
    during: { ...rest, complete: false, files: during },
    after: { ...rest, complete: true, files: after },
  };
}

function tell({ actions, commands, unrecorded }: Plan): number {
  for (const action of actions) console.log(fileActionText(action));
  for (const line of commands) console.log(line.join(" "));
  if (unrecorded) console.log(RECORD_TEXT);
  console.log("This was a dry run: nothing is changed");
  return 0;
}

function refuseWithoutSystemd(
  { kind }: Systemd,
  { root, start }: InstallArguments,
): void {
  if (kind === "running" || root !== "/" || !start) return;
  throw new FatalError(
    "Cannot start clusternet: systemd does not run here; give --no-start to put the files in place all the same, or --root DIR to prepare an image",
    1,
  );
}

/** The file of variables is the admin's once it is there, so it has to agree with the flags. */
function refuseOtherVariables({ root, variables }: InstallArguments): void {
  const file = below(root, ENV_FILE);
  if (findFile(file).kind === "nothing") return;
  const now = variablesThere(root);
  for (const [name, value] of variables) {
    const there = now.get(name);
    if (there === value) continue;
    const says = there === undefined
      ? `does not set ${name}`
      : `says ${name}=${there}`;
    throw new FatalError(
      `Cannot set ${name}=${value}: ${file} is yours since it is there, and ${says}; change it there, then run \`systemctl restart clusternet\``,
      1,
    );
  }
}

/** `undefined`: the default, also for a name that the agent will refuse. */
function linkName(variables: ReadonlyMap<string, string>): string | undefined {
  try {
    return parseInterface(variables.get(INTERFACE) ?? "");
  } catch {
    return undefined;
  }
}

/** None where there is no file yet. */
function variablesThere(root: string): ReadonlyMap<string, string> {
  try {
    return parseEnvFile(Deno.readTextFileSync(below(root, ENV_FILE)));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return new Map();
    throw new FatalError(`Cannot read ${below(root, ENV_FILE)}`, 1, { cause });
  }
}

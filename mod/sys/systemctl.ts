/**
 * systemd, asked and told by its own commands.
 *
 * @module
 */

import {
  type CommandLine,
  NETWORK_MANAGER,
  NETWORKD,
  SERVICE,
  type Systemd,
  type UnitState,
  USERSPACE_SERVICE,
} from "../core/service_plan.ts";

/** Is there when systemd is the first process (sd_booted(3)). */
const BOOTED = "/run/systemd/system";

/** Between two looks at a unit that is starting. */
const LOOK_MS = 250;

/** @param root of the tree to prepare; "/": this machine */
export async function observeSystemd(root: string): Promise<Systemd> {
  const offline = root !== "/" || !await isDirectory(BOOTED);
  const options = offline ? [`--root=${root}`] : [];
  try {
    const unit = await unitState(SERVICE, options);
    const userspaceUnit = await unitState(USERSPACE_SERVICE, options);
    if (offline) return { kind: "offline", root, unit, userspaceUnit };
    const activeUnits: string[] = [];
    for (const name of [NETWORKD, NETWORK_MANAGER]) {
      if (await isActive(name)) activeUnits.push(name);
    }
    return { kind: "running", activeUnits, unit, userspaceUnit };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { kind: "none" };
    throw error;
  }
}

/** @throws {Error} with what the command said */
export async function runCommand(line: CommandLine): Promise<void> {
  const { code, said } = await output(line).catch((cause) => {
    throw new Error(`Cannot run \`${line.join(" ")}\`: no such program`, {
      cause,
    });
  });
  if (code === 0) return;
  const [first = `exit code ${code}`] = said.trim().split("\n");
  throw new Error(`Cannot run \`${line.join(" ")}\`: ${first}`);
}

export interface UnitReport {
  /** "active", "activating", "failed", …; "failing": it ends, and is started again. */
  readonly state: string;
  /** STATUS= of the program itself; "" where it has said nothing. */
  readonly status: string;
  /** Its last words of an error, for a unit that is failing. */
  readonly complaint: string;
}

/** Until the unit is active or fails, or the time is over. */
export async function awaitActive(milliseconds: number): Promise<UnitReport> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const { state, status } = await unitReport();
    const failing = ["failed", "failing"].includes(state);
    if (state === "active" || failing || performance.now() >= end) {
      const complaint = failing ? await lastError() : "";
      return { state, status, complaint };
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function unitReport(): Promise<Omit<UnitReport, "complaint">> {
  const { said } = await output([
    ...["systemctl", "show", "--property"],
    ...["ActiveState,SubState,StatusText,Job", SERVICE],
  ]);
  const value = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, "m").exec(said)?.[1] ?? "";
  const again = value("SubState").startsWith("auto-restart");
  const state = value("ActiveState");
  // With its restart still to come it is the old one that is active.
  const old = state === "active" && Number(value("Job")) > 0;
  return {
    state: again ? "failing" : old ? "activating" : state,
    status: value("StatusText"),
  };
}

/** Of the program, not of systemd. */
async function lastError(): Promise<string> {
  try {
    const { said } = await output([
      ...["journalctl", "--unit", SERVICE, "--identifier", "clusternet"],
      ...["--lines", "1", "--output", "cat", "--no-pager", "--quiet"],
    ]);
    return said.trim();
  } catch {
    return ""; // without a journal
  }
}

async function unitState(
  unit: string,
  options: readonly string[],
): Promise<UnitState> {
  const line = ["systemctl", ...options, "is-enabled", unit];
  // A unit that cannot be enabled ("static") also ends with 0.
  const enabled = (await output(line)).said.startsWith("enabled");
  return { enabled, active: options.length === 0 && await isActive(unit) };
}

/** One that is on its way up is restarted, not started. */
async function isActive(unit: string): Promise<boolean> {
  const { said } = await output(["systemctl", "is-active", unit]);
  return ["active", "activating", "reloading"].includes(said.trim());
}

async function output(
  line: CommandLine,
): Promise<{ readonly code: number; readonly said: string }> {
  const [program = "", ...args] = line;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { LC_ALL: "C", SYSTEMD_PAGER: "" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, said: text.decode(stdout) + text.decode(stderr) };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}

/**
 * The commands that make systemd take notice of what was put in place or is
 * about to go: what changed, how systemd is there, and how the unit stands in;
 * command lines out.
 *
 * @module
 */

export const SERVICE = "clusternet.service";

/** Carries the tunnels where the kernel cannot. Started by the admin alone. */
export const USERSPACE_SERVICE = "clusternet-wireguard-go.service";

/**
 * - `running`: it is this machine's first process
 * - `offline`: it does not run here, but `systemctl --root` can prepare a tree
 * - `none`: there is no systemctl
 */
export type Systemd =
  | {
    readonly kind: "running";
    /** Of other units that read our drop-ins. */
    readonly activeUnits: readonly string[];
    readonly unit: UnitState;
    readonly userspaceUnit: UnitState;
  }
  | {
    readonly kind: "offline";
    readonly root: string;
    readonly unit: UnitState;
    readonly userspaceUnit: UnitState;
  }
  | { readonly kind: "none" };

export interface UnitState {
  readonly enabled: boolean;
  readonly active: boolean;
}

export type CommandLine = readonly string[];

export interface StartOptions {
  /** Paths that were written or removed, as on the running machine. */
  readonly changed: readonly string[];
  readonly start: boolean;
}

export function planStart(
  systemd: Systemd,
  { changed, start }: StartOptions,
): readonly CommandLine[] {
  switch (systemd.kind) {
    case "none":
      return [];
    case "offline":
      return systemd.unit.enabled
        ? []
        : [["systemctl", `--root=${systemd.root}`, "enable", SERVICE]];
    case "running": {
      const { unit } = systemd;
      const commands = [...reloads(systemd.activeUnits, changed)];
      if (!unit.enabled) commands.push(["systemctl", "enable", SERVICE]);
      if (!start) return commands;
      if (changed.length > 0 && unit.active) {
        // A restart loses no packet: link, routes and peers stay.
        commands.push(["systemctl", "--no-block", "restart", SERVICE]);
      } else if (!unit.active) {
        commands.push(["systemctl", "--no-block", "start", SERVICE]);
      }
      return commands;
    }
  }
}

export interface StopOptions {
  /** Does a package's unit take over? Then nothing stops. */
  readonly handOver: boolean;
  /** Is the link to go as well? Else what carries it stays. */
  readonly purge: boolean;
}

/** Before the files go. */
export function planStop(
  systemd: Systemd,
  { purge, handOver }: StopOptions,
): readonly CommandLine[] {
  if (systemd.kind === "none" || handOver) return [];
  const commands: CommandLine[] = [];
  const units = [
    { name: SERVICE, state: systemd.unit, stop: true },
    { name: USERSPACE_SERVICE, state: systemd.userspaceUnit, stop: purge },
  ];
  for (const { name, state, stop } of units) {
    if (systemd.kind === "offline") {
      if (!state.enabled) continue;
      commands.push(["systemctl", `--root=${systemd.root}`, "disable", name]);
      continue;
    }
    if (stop && state.active) commands.push(["systemctl", "stop", name]);
    if (state.enabled) commands.push(["systemctl", "disable", name]);
  }
  return commands;
}

/** After the files are gone. */
export function planForget(
  systemd: Systemd,
  { changed, handOver }: {
    readonly changed: readonly string[];
    readonly handOver: boolean;
  },
): readonly CommandLine[] {
  if (systemd.kind !== "running") return [];
  const commands = [...reloads(systemd.activeUnits, changed)]
    .filter(([program]) => program !== "systemd-tmpfiles");
  if (!handOver) return commands;
  const { enabled, active } = systemd.unit;
  // The link by which it is enabled leads to the unit that has gone.
  if (enabled) commands.push(["systemctl", "reenable", SERVICE]);
  if (active) commands.push(["systemctl", "--no-block", "restart", SERVICE]);
  return commands;
}

function* reloads(
  activeUnits: readonly string[],
  changed: readonly string[],
): Generator<CommandLine> {
  const below = (folder: string): string | undefined =>
    changed.find((path) => path.includes(`/${folder}/`));
  // ReadWritePaths= of the unit have to be there before it starts.
  const tmpfiles = below("tmpfiles.d");
  if (tmpfiles !== undefined) {
    yield ["systemd-tmpfiles", "--create", tmpfiles];
  }
  if (below("systemd/system") !== undefined) {
    yield ["systemctl", "daemon-reload"];
  }
  const active = (unit: string): boolean => activeUnits.includes(unit);
  if (below("systemd/network") !== undefined && active(NETWORKD)) {
    yield ["networkctl", "reload"];
  }
  if (below("NetworkManager/conf.d") !== undefined && active(NETWORK_MANAGER)) {
    yield ["systemctl", "reload", NETWORK_MANAGER];
  }
}

export const NETWORKD = "systemd-networkd.service";
export const NETWORK_MANAGER = "NetworkManager.service";

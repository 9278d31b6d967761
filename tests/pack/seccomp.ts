/**
 * The default seccomp profile of container engines, from the file in which
 * podman, buildah and CRI-O keep it, as a runtime takes it: the rules that hold
 * for these capabilities on this machine.
 *
 * @module
 */

export const PROFILE = "/usr/share/containers/seccomp.json";

interface Condition {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
}

interface Rule {
  readonly names: readonly string[];
  readonly action: string;
  readonly args: readonly unknown[] | null;
  readonly includes: Condition;
  readonly excludes: Condition;
  readonly errnoRet?: number;
}

interface Profile {
  readonly defaultAction: string;
  readonly defaultErrnoRet: number;
  readonly archMap: readonly {
    readonly architecture: string;
    readonly subArchitectures: readonly string[] | null;
  }[];
  readonly syscalls: readonly Rule[];
}

const ARCH = Deno.build.arch === "x86_64" ? "amd64" : "arm64";

/** OCI runtime specification, config-linux.md, "seccomp". */
export function seccompFor(capabilities: readonly string[]): unknown {
  const profile = JSON.parse(Deno.readTextFileSync(PROFILE)) as Profile;
  const own = `SCMP_ARCH_${Deno.build.arch.toUpperCase()}`;
  const map = profile.archMap.find((each) => each.architecture === own);
  return {
    defaultAction: profile.defaultAction,
    defaultErrnoRet: profile.defaultErrnoRet,
    architectures: [own, ...map?.subArchitectures ?? []],
    syscalls: profile.syscalls
      .filter((rule) => holds(rule, capabilities))
      .map(({ names, action, args, errnoRet }) => ({
        names,
        action,
        ...(args === null || args.length === 0 ? {} : { args }),
        ...(errnoRet === undefined ? {} : { errnoRet }),
      })),
  };
}

function holds(
  { includes, excludes }: Rule,
  capabilities: readonly string[],
): boolean {
  const has = (name: string): boolean => capabilities.includes(name);
  return (includes.caps ?? []).every(has) &&
    (includes.arches ?? [ARCH]).includes(ARCH) &&
    !(excludes.caps ?? []).some(has) &&
    !(excludes.arches ?? []).includes(ARCH);
}

/**
 * The programs of a real cluster, built from the pinned Go modules in `tools/`:
 * once, into a cache that outlives the checkout. Invariant: a folder of the
 * cache is of one module's sum, one compiler and one way to build, and a
 * program in it is whole: it comes by a rename.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eachLine } from "../support/lines.ts";
import { findCommand } from "../support/packages.ts";

const TOOLS = fileURLToPath(new URL("./tools", import.meta.url));

/** What is made of one module, by one call of the compiler. */
interface Build {
  /** Folder below `tools/` that has its go.mod. */
  readonly module: string;
  /** For people. */
  readonly what: string;
  /** Program by package; more than one share what is compiled for them. */
  readonly programs: Readonly<Record<string, string>>;
  readonly tags?: string;
  /** `go test -c` instead of `go build`. */
  readonly test?: boolean;
}

const KUBERNETES = "k8s.io/kubernetes";
const CONTAINERD = "github.com/containerd/containerd/v2/cmd";

/** The small ones first: what is wrong with the machine then shows soon. */
const BUILDS = [
  {
    module: "etcd",
    what: "etcd",
    programs: { etcd: "go.etcd.io/etcd/server/v3" },
  },
  {
    module: "containerd",
    what: "containerd",
    programs: {
      "containerd": `${CONTAINERD}/containerd`,
      "containerd-shim-runc-v2": `${CONTAINERD}/containerd-shim-runc-v2`,
      "ctr": `${CONTAINERD}/ctr`,
    },
    tags: "no_btrfs,no_zfs,no_devmapper",
  },
  {
    module: ".",
    what: "Kubernetes",
    programs: {
      "kube-apiserver": `${KUBERNETES}/cmd/kube-apiserver`,
      "kube-controller-manager": `${KUBERNETES}/cmd/kube-controller-manager`,
      "kube-scheduler": `${KUBERNETES}/cmd/kube-scheduler`,
      "kubelet": `${KUBERNETES}/cmd/kubelet`,
      "kube-proxy": `${KUBERNETES}/cmd/kube-proxy`,
      "kubectl": `${KUBERNETES}/cmd/kubectl`,
      "agnhost": `${KUBERNETES}/test/images/agnhost`,
    },
  },
  {
    module: ".",
    what: "Kubernetes' end-to-end tests",
    programs: { "e2e.test": `${KUBERNETES}/test/e2e` },
    test: true,
  },
  {
    module: "coredns",
    what: "CoreDNS",
    programs: { coredns: "github.com/coredns/coredns" },
  },
  {
    module: "helm",
    what: "Helm",
    programs: { helm: "helm.sh/helm/v4/cmd/helm" },
  },
] as const satisfies readonly Build[];

type Keys<T> = T extends T ? keyof T : never;

export type Program = Keys<typeof BUILDS[number]["programs"]>;

/** What makes two builds of one module differ. */
const FLAGS = ["-trimpath", "-mod=readonly", "-buildvcs=false"];

/** Seconds between two signs of life of a build. */
const HEARTBEAT_SECONDS = 30;

export interface Building {
  /** Told what is built, and how far it is. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** As the modules' `go` lines say. */
const GO_LEAST = [1, 26] as const;

/** Why nothing can be built here, as the end of a sentence; `undefined`: it can. */
export async function goIsMissing(): Promise<string | undefined> {
  const needed = `Go, ${GO_LEAST.join(".")} or newer`;
  if (findCommand("go") === undefined) return needed;
  const version = /^go(\d+)\.(\d+)/.exec(await goVersion());
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
  const [leastMajor, leastMinor] = GO_LEAST;
  const isOld = major < leastMajor ||
    (major === leastMajor && minor < leastMinor);
  return isOld ? `${needed} (here is ${version?.[0]})` : undefined;
}

/** "v1.36.3", as the module pins it. */
export function kubernetesVersion(): string {
  const text = Deno.readTextFileSync(join(TOOLS, "go.mod"));
  const version =
    /^require k8s\.io\/kubernetes (v\S+)|^\tk8s\.io\/kubernetes (v\S+)/m
      .exec(text);
  const found = version?.[1] ?? version?.[2];
  if (found === undefined) {
    throw new Error("Cannot find the version of k8s.io/kubernetes in go.mod");
  }
  return found;
}

/** All of them, as they were found or built. */
export class Tools {
  readonly #paths: ReadonlyMap<string, string>;

  constructor(paths: ReadonlyMap<string, string>) {
    this.#paths = paths;
  }

  path(program: Program): string {
    const path = this.#paths.get(program);
    if (path === undefined) {
      throw new Error(
        `Cannot find ${program}: deno task test:kube builds it first`,
      );
    }
    return path;
  }

  /** Folders, for a PATH. */
  get folders(): readonly string[] {
    const folder = (path: string): string =>
      path.slice(0, path.lastIndexOf("/"));
    return [...new Set([...this.#paths.values()].map(folder))];
  }
}

/** Those that are built. @throws {Error} where `go` cannot be run */
export async function builtTools(): Promise<Tools> {
  const paths = new Map<string, string>();
  for (const build of BUILDS) {
    const folder = await folderOf(build);
    for (const name of missing(build, folder).there) {
      paths.set(name, join(folder, name));
    }
  }
  return new Tools(paths);
}

/**
 * Builds what is not there yet: half an hour on a machine that has nothing, no
 * time where the cache has it.
 * @throws {Error} with what the compiler says; the reason of the signal
 */
export async function buildTools(building: Building): Promise<Tools> {
  const todo: { readonly build: Build; readonly folder: string }[] = [];
  for (const build of BUILDS) {
    const folder = await folderOf(build);
    if (missing(build, folder).missing.length > 0) todo.push({ build, folder });
  }
  if (todo.length > 0) {
    building.say(
      `building ${
        todo.map(({ build }) => build.what).join(", ")
      } from Go modules, once: up to half an hour`,
    );
  }
  for (const { build, folder } of todo) await make(build, folder, building);
  return await builtTools();
}

function missing(
  { programs }: Build,
  folder: string,
): { readonly missing: readonly string[]; readonly there: readonly string[] } {
  const names = Object.keys(programs);
  const isThere = (name: string): boolean => {
    try {
      return Deno.statSync(join(folder, name)).isFile;
    } catch {
      return false;
    }
  };
  return {
    missing: names.filter((name) => !isThere(name)),
    there: names.filter(isThere),
  };
}

async function make(
  build: Build,
  folder: string,
  { say, signal }: Building,
): Promise<void> {
  const started = performance.now();
  const seconds = (): number =>
    Math.round((performance.now() - started) / 1_000);
  let compiled = 0;
  say(`building ${build.what} …`);
  const heartbeat = setInterval(() => {
    say(`building ${build.what}: ${compiled} packages in ${seconds()} s`);
  }, HEARTBEAT_SECONDS * 1_000);
  await Deno.mkdir(folder, { recursive: true });
  const draft = await Deno.makeTempDir({ dir: folder, prefix: ".draft-" });
  try {
    await compile(build, draft, { signal, onPackage: () => compiled++ });
    for (const name of Object.keys(build.programs)) {
      await Deno.rename(join(draft, name), join(folder, name));
    }
  } finally {
    clearInterval(heartbeat);
    await Deno.remove(draft, { recursive: true });
  }
  say(`built ${build.what} in ${seconds()} s`);
}

async function compile(
  build: Build,
  draft: string,
  { signal, onPackage }: {
    readonly signal: AbortSignal;
    readonly onPackage: () => void;
  },
): Promise<void> {
  for (const args of callsOf(build, draft)) {
    signal.throwIfAborted();
    const child = new Deno.Command("go", {
      args: [...args],
      cwd: join(TOOLS, build.module),
      env: { CGO_ENABLED: "0", GOFLAGS: "" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal,
    }).spawn();
    const said: string[] = [];
    await eachLine(child.stderr, (line) => {
      // -v names a package a line; all else is what is wrong.
      if (/^[\w./~-]+$/.test(line)) onPackage();
      else if (!line.startsWith("go: downloading ")) said.push(line);
    });
    const { code } = await child.status;
    signal.throwIfAborted();
    if (code === 0) continue;
    throw new Error(
      `Cannot build ${build.what}: go says: ${said.slice(-8).join(" | ")}`,
    );
  }
}

/** Arguments of `go`. */
function callsOf(build: Build, draft: string): readonly (readonly string[])[] {
  const flags = [
    "-v",
    ...FLAGS,
    `-ldflags=${linkerFlags(build)}`,
    ...(build.tags === undefined ? [] : [`-tags=${build.tags}`]),
  ];
  const all = Object.entries(build.programs);
  if (build.test === true) {
    return all.map(([name, of]) => [
      ...["test", "-c", ...flags, "-o", join(draft, name), of],
    ]);
  }
  const base = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const own = all.filter(([name, of]) => name === base(of));
  const others = all.filter(([name, of]) => name !== base(of));
  return [
    ...(own.length === 0 ? [] : [[
      ...["build", ...flags, "-o", `${draft}/`],
      ...own.map(([, of]) => of),
    ]]),
    // Called after a part of the module's path otherwise.
    ...others.map(([name, of]) => [
      ...["build", ...flags, "-o", join(draft, name), of],
    ]),
  ];
}

/** Without symbols; and Kubernetes tells which version it is, which its clients look at. */
function linkerFlags({ module }: Build): string {
  if (module !== ".") return "-s -w";
  const version = kubernetesVersion();
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  const set = (name: string, value = ""): string =>
    `-X k8s.io/component-base/version.${name}=${value}`;
  return [
    "-s -w",
    set("gitVersion", version),
    set("gitMajor", major),
    set("gitMinor", minor),
  ].join(" ");
}

/** Of the cache: by what the module says, and what compiles it. */
async function folderOf(build: Build): Promise<string> {
  const sum = createHash("sha256");
  for (const name of ["go.mod", "go.sum"]) {
    sum.update(await Deno.readFile(join(TOOLS, build.module, name)));
  }
  sum.update(JSON.stringify([build, FLAGS, await goVersion()]));
  const home = Deno.env.get("HOME") ?? "/root";
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache");
  return join(cache, "clusternet", `kube-${sum.digest("hex").slice(0, 16)}`);
}

let version: string | undefined;

/** "go1.26.8" and the machine's kind, and not another that this one would download. */
async function goVersion(): Promise<string> {
  if (version !== undefined) return version;
  const { code, stdout } = await new Deno.Command("go", {
    args: ["env", "GOVERSION", "GOARCH"],
    env: { GOTOOLCHAIN: "local" },
    stdin: "null",
    stderr: "null",
  }).output();
  if (code !== 0) throw new Error("Cannot run go: it is not installed");
  version = new TextDecoder().decode(stdout).trim();
  return version;
}

/**
 * The images that pods of the tests run: made by hand, of static programs, as
 * the archives that `docker save` writes, since a cluster of the tests can pull
 * nothing.
 *
 * Layout: moby's image specification v1.2 (manifest.json, a config, layers).
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { must } from "../lab/exec.ts";
import { findCommand } from "../support/packages.ts";
import type { Tools } from "./tools.ts";

/** What kubelet 1.36 names for the sandbox. */
export const PAUSE_IMAGE = "registry.k8s.io/pause:3.10.1";

/** Kubernetes' own image of test programs, as its tests spell it. */
export const AGNHOST_IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0";

export interface ImageSpec {
  readonly name: string;
  /** More names of the same image. */
  readonly aliases?: readonly string[];
  /** Files by their path in the image. */
  readonly files: Readonly<Record<string, string>>;
  /** Names in /bin by which busybox is called. */
  readonly applets: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd?: readonly string[];
}

/** Does nothing, and ends when it is told to. */
export function pauseImage(): ImageSpec {
  return {
    name: PAUSE_IMAGE,
    files: { "/bin/busybox": busybox() },
    applets: ["sh", "sleep"],
    entrypoint: [
      "/bin/sh",
      "-c",
      "trap exit TERM INT; sleep 2147483647 & wait",
    ],
  };
}

/** Kubernetes' program, and a shell beside it. */
export function agnhostImage(tools: Tools): ImageSpec {
  return {
    name: AGNHOST_IMAGE,
    files: {
      "/bin/busybox": busybox(),
      "/agnhost": tools.path("agnhost"),
    },
    applets: APPLETS,
    entrypoint: ["/agnhost"],
    cmd: ["pause"],
  };
}

const APPLETS = [
  ...["sh", "cat", "echo", "ls", "ip", "ping", "nc", "wget", "sleep", "seq"],
  ...["hostname", "id", "env", "test", "true", "date", "head", "wc", "grep"],
];

function busybox(): string {
  const path = findCommand("busybox");
  if (path === undefined) throw new Error("Cannot find busybox");
  return path;
}

/** Makes the archive. @param folder for it and its pieces @returns its path */
export async function makeImage(
  spec: ImageSpec,
  folder: string,
): Promise<string> {
  const work = await Deno.makeTempDir({ dir: folder });
  const root = join(work, "root");
  for (const dir of ["bin", "tmp", "etc", "proc", "sys", "dev"]) {
    await Deno.mkdir(join(root, dir), { recursive: true });
  }
  await Deno.chmod(join(root, "tmp"), 0o1777);
  await Deno.writeTextFile(join(root, "etc/passwd"), PASSWD);
  await Deno.writeTextFile(join(root, "etc/group"), GROUP);
  for (const [path, source] of Object.entries(spec.files)) {
    await Deno.mkdir(join(root, path, ".."), { recursive: true });
    await Deno.copyFile(source, join(root, path));
    await Deno.chmod(join(root, path), 0o755);
  }
  for (const name of spec.applets) {
    await Deno.symlink("/bin/busybox", join(root, "bin", name));
  }
  const layer = join(work, "layer.tar");
  await must([
    ...["tar", "--create", "--file", layer, "--directory", root],
    ...["--owner=0", "--group=0", "--numeric-owner", "."],
  ]);
  const sum = createHash("sha256").update(await Deno.readFile(layer));
  await Deno.writeTextFile(
    join(work, "config.json"),
    JSON.stringify(config(spec, `sha256:${sum.digest("hex")}`)),
  );
  await Deno.writeTextFile(
    join(work, "manifest.json"),
    JSON.stringify([{
      Config: "config.json",
      RepoTags: [spec.name, ...spec.aliases ?? []],
      Layers: ["layer.tar"],
    }]),
  );
  const archive = `${work}.tar`;
  await must([
    ...["tar", "--create", "--file", archive, "--directory", work],
    ...["manifest.json", "config.json", "layer.tar"],
  ]);
  await Deno.remove(work, { recursive: true });
  return archive;
}

const PASSWD = `root:x:0:0:root:/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
`;
const GROUP = `root:x:0:
nobody:x:65534:
`;

/** When it was made is of no interest, and must not make it another image. */
const CREATED = "2026-01-01T00:00:00Z";

function config(spec: ImageSpec, diffId: string): unknown {
  return {
    architecture: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
    os: "linux",
    created: CREATED,
    config: {
      Env: [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/",
      ],
      Entrypoint: spec.entrypoint,
      ...(spec.cmd === undefined ? {} : { Cmd: spec.cmd }),
      WorkingDir: "/",
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created: CREATED, created_by: "clusternet's tests" }],
  };
}

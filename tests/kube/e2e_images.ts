/**
 * The images of Kubernetes' own tests: made by hand, as all images of these
 * tests are, of what their scripts call. The real ones have Alpine's or Debian's
 * programs; ours have this machine's, with the libraries that these load.
 *
 * @module
 */

import { must } from "../lab/exec.ts";
import { Authority } from "../support/certificates.ts";
import { findCommand } from "../support/packages.ts";
import { agnhostImage, type ImageSpec, pauseImage } from "./images.ts";
import type { Tools } from "./tools.ts";

/** A name that the tests call an image by, and what stands behind it here. */
export interface E2eImage {
  readonly name: string;
  /** For people. */
  readonly what: string;
}

const E2E = "registry.k8s.io/e2e-test-images";
const DNS_TESTING = `${E2E}/glibc-dns-testing:2.0.0`;
const NGINX = `${E2E}/nginx:1.15-4`;
const PAUSE = "registry.k8s.io/pause:3.10.2";

/** All that cases of the network run, for the documentation. */
export const E2E_IMAGES: readonly E2eImage[] = [
  {
    name: `${E2E}/agnhost:2.63.0`,
    what:
      "agnhost of the same release; dash, bash, curl, dig, nslookup, nc (OpenBSD's), ss and getent of Debian",
  },
  {
    name: DNS_TESTING,
    what: "the same image: Debian's programs use glibc, as the real one's do",
  },
  {
    name: NGINX,
    what:
      "httpd of busybox: two cases want the addresses of its pods, and ask them nothing",
  },
  { name: PAUSE, what: "a shell that sleeps until it is told to end" },
];

/** Programs by their path in the image; the real agnhost has them from the same sources. */
const PROGRAMS: Readonly<Record<string, string>> = {
  // Not busybox': wherever a script says nc, that calls its own, which has no UDP.
  "/bin/sh": "dash",
  "/bin/bash": "bash",
  "/usr/bin/curl": "curl",
  "/usr/bin/dig": "dig",
  "/usr/bin/getent": "getent",
  "/usr/bin/nc": "nc.openbsd",
  "/usr/bin/nslookup": "nslookup",
  "/usr/bin/ss": "ss",
};

/** What else scripts call. */
const APPLETS = [
  ...["awk", "cat", "chmod", "cp", "cut", "date", "echo", "env", "grep"],
  ...["head", "hostname", "id", "ip", "kill", "ls", "mkdir", "mv", "ping"],
  ...["printf", "ps", "rm", "sed", "seq", "sleep", "sort", "stat", "tail"],
  ...["tee", "test", "touch", "tr", "true", "wc", "wget"],
];

/** What makes those of `E2E_IMAGES`. @param folder for pieces of them */
export async function e2eImageSpecs(
  tools: Tools,
  folder: string,
): Promise<readonly ImageSpec[]> {
  const small = agnhostImage(tools);
  const pause = pauseImage();
  return [
    {
      ...small,
      aliases: [DNS_TESTING],
      files: {
        ...small.files,
        ...await programFiles(),
        ...await certificateFiles(folder),
      },
      applets: APPLETS,
    },
    { ...pause, name: PAUSE },
    {
      name: NGINX,
      files: pause.files,
      applets: ["httpd"],
      entrypoint: ["/bin/httpd", "-f", "-p", "80"],
    },
  ];
}

/** With which agnhost serves HTTPS, where nobody asks for another. */
async function certificateFiles(
  folder: string,
): Promise<Record<string, string>> {
  const dir = await Deno.makeTempDir({ dir: folder });
  const { cert, key } = Authority.create(dir).issue("/CN=localhost", [
    "DNS:localhost",
  ]);
  await Deno.writeTextFile(`${dir}/localhost.crt`, cert);
  await Deno.writeTextFile(`${dir}/localhost.key`, key);
  return {
    "/localhost.crt": `${dir}/localhost.crt`,
    "/localhost.key": `${dir}/localhost.key`,
  };
}

/** Each program, and once each library that one of them loads. */
async function programFiles(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [path, name] of Object.entries(PROGRAMS)) {
    const program = findCommand(name);
    if (program === undefined) throw new Error(`Cannot find ${name}`);
    files[path] = program;
    // "libc.so.6 => /lib/… (0x…)", and the loader: "/lib64/ld-… (0x…)".
    const loads = /^\t(?:\S+ => )?(\/\S+) \(0x/gm;
    for (
      const [, library = ""] of (await must(["ldd", program])).matchAll(loads)
    ) {
      files[library] = library;
    }
  }
  return files;
}

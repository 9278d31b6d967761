/**
 * Checks of the agent itself, its key, its place on the disk and its kernel.
 *
 * @module
 */

import { VERSION } from "../core/version.ts";
import { type Check, check, type Found } from "./check.ts";
import { MODE_BITS, modeText, seen, shellList } from "./evidence.ts";
import type { KernelFacts } from "./facts.ts";

/** Linux 5.6 is the first with WireGuard (net/wireguard). */
const FIRST_WITH_WIREGUARD = [5, 6] as const;

function isOld({ release }: KernelFacts): boolean {
  const [major = 0, minor = 0] = release.split(".").map((part) =>
    Number.parseInt(part, 10)
  );
  const [needMajor, needMinor] = FIRST_WITH_WIREGUARD;
  return major < needMajor || major === needMajor && minor < needMinor;
}

/** Kibibytes: a key, a state file and a log line. */
const LITTLE_KIB = 1024;

export const AGENT_CHECKS: readonly Check[] = [
  check("kernel-wireguard", "whether this kernel has WireGuard", {
    needs: ["kernel", "config"],
    find: ({ kernel, config }): Found | undefined =>
      kernel.wireGuard || kernel.userspace || isOld(kernel) ? undefined : {
        sentence: config.backend === "userspace"
          ? `No userspace WireGuard holds the link ${config.interface}`
          : `Kernel ${kernel.release} has no WireGuard, and no userspace program holds the link ${config.interface}`,
        evidence: [
          seen("modprobe --dry-run --verbose wireguard", "no such family"),
        ],
        cure:
          "install the module (Debian: linux-image with the same version; " +
          "`modprobe wireguard` says what is amiss), or `clusternet install` with wireguard-go",
      },
  }),
  check("kernel-old", "whether the kernel is older than WireGuard", {
    needs: ["kernel"],
    // One with the module of a distribution, or with wireguard-go, does its work.
    find: ({ kernel }): Found | undefined =>
      kernel.wireGuard || kernel.userspace || !isOld(kernel) ? undefined : {
        sentence:
          `Kernel ${kernel.release} has no WireGuard: 5.6 is the first with it`,
        evidence: [seen("uname -r", kernel.release)],
        cure:
          "boot a newer kernel, or use wireguard-go (`--backend userspace`)",
      },
  }),
  check("key-file", "owner and mode of the private key's file and directory", {
    needs: ["key"],
    find: ({ key: { path, mode, uid, directoryMode, publicKey } }) => {
      if (mode === null) return undefined;
      const command = `stat -c '%a %u %n' ${path}`;
      const found = seen(command, `${modeText(mode)} ${uid} ${path}`);
      if (uid !== 0) {
        return {
          sentence:
            `The private key ${path} belongs to user ${uid}, not to root`,
          evidence: [found],
          cure: `chown root:root ${path}`,
        };
      }
      if ((mode & MODE_BITS.others) !== 0) {
        return {
          sentence: `Others may read the private key ${path} (mode ${
            modeText(mode)
          }): the agent will not start with it`,
          evidence: [found],
          cure:
            `chmod 600 ${path}; where others have read it, remove it: the agent makes a new one`,
        };
      }
      if (((directoryMode ?? 0) & MODE_BITS.othersWrite) !== 0) {
        const directory = path.slice(0, path.lastIndexOf("/"));
        return {
          sentence:
            `Others may write into ${directory}, where the private key lies`,
          evidence: [
            seen(
              `stat -c '%a %u %n' ${directory}`,
              `${modeText(directoryMode ?? 0)} ${directory}`,
            ),
          ],
          cure: `chmod 700 ${directory}`,
        };
      }
      if (publicKey !== null) return undefined;
      return {
        sentence: `${path} holds no private key`,
        evidence: [
          seen(`stat -c '%s bytes %n' ${path}`, "not 44 characters of base64"),
        ],
        cure:
          "restore it from a backup, or remove it to give this node a new identity",
      };
    },
  }),
  check("state-disk", "room and writability of the state directory", {
    needs: ["disk"],
    find: ({ disk: { directory, readOnly, freeKib, freeInodes } }) => {
      if (readOnly) {
        return {
          sentence:
            `${directory} is read-only: a new key or state cannot be kept`,
          evidence: [seen(`findmnt -no OPTIONS -T ${directory}`, "ro")],
          cure: `mount -o remount,rw $(findmnt -no TARGET -T ${directory})`,
        };
      }
      const full = freeKib !== null && freeKib < LITTLE_KIB;
      if (!full && freeInodes !== 0) return undefined;
      return {
        sentence: `The disk of ${directory} is full (${
          full ? `${freeKib} KiB` : "no inodes"
        } left)`,
        evidence: [seen(`df -k ${directory}`, `${freeKib} KiB left`)],
        cure: `make room there: du -xh / | sort -h | tail`,
      };
    },
  }),
  check("agent-not-running", "whether an agent runs for the link", {
    needs: ["agents", "config"],
    find: ({ agents, config }): Found | undefined =>
      agents.length > 0 ? undefined : {
        sentence:
          `No agent runs for the link ${config.interface}: what stands stays, and follows no change`,
        evidence: [
          seen("pgrep -af 'clusternet.* run'", ""),
        ],
        cure: "systemctl start clusternet, or look at its pod: " +
          "kubectl -n clusternet get pods -o wide",
      },
  }),
  check("agent-two", "whether there is one agent only", {
    needs: ["processes", "config"],
    find: ({ processes: { agents } }): Found | undefined =>
      agents.length < 2 ? undefined : {
        sentence: `${agents.length} agents run on this machine (processes ${
          agents.map(({ pid }) => pid).join(", ")
        }): each undoes what the other does`,
        evidence: [
          seen(
            "pgrep -af 'clusternet.* run'",
            agents.map(({ pid, args }) => `${pid} ${args.join(" ")}`).join(
              "\n",
            ),
          ),
        ],
        cure: "stop one of them: the service (`systemctl disable --now " +
          "clusternet`), or the DaemonSet's pod",
      },
  }),
  check(
    "agent-version",
    "whether agent and this executable are of one version",
    {
      needs: ["agent"],
      find: ({ agent }): Found | undefined =>
        agent.version === VERSION ? undefined : {
          severity: "warning",
          sentence:
            `The agent is version ${agent.version}, this executable ${VERSION}`,
          evidence: [
            seen(
              "clusternet status -o json | grep '\"version\"'",
              agent.version,
            ),
          ],
          cure: "systemctl restart clusternet: no packet is lost",
        },
    },
  ),
  check("agent-unhealthy", "what the agent itself complains about", {
    needs: ["agent"],
    find: ({ agent: { health } }) =>
      health.problems.map((problem) => ({
        sentence: `The agent says: ${problem}`,
        evidence: [seen("clusternet status -o json", health.text)],
        cure:
          "what the sentence names; docs/troubleshooting.md has a row for it",
      })),
  }),
  check("agent-files", "file descriptors of the agent and of the machine", {
    needs: ["files"],
    find: ({ files }): readonly Found[] => {
      const found: Found[] = [];
      const { open, limit, systemOpen, systemLimit } = files;
      if (open !== null && limit !== null && open > limit * NEARLY) {
        found.push({
          severity: "warning",
          sentence: `The agent has ${open} of ${limit} files open`,
          evidence: [seen("ls /proc/AGENT/fd | wc -l", `${open}`)],
          cure: "LimitNOFILE= of clusternet.service, then restart it",
        });
      }
      if (systemOpen > systemLimit * NEARLY) {
        found.push({
          severity: "warning",
          sentence:
            `This machine has ${systemOpen} of ${systemLimit} files open`,
          evidence: [seen("sysctl fs.file-nr", `${systemOpen}`)],
          cure:
            "sysctl -w fs.file-max=… , and find who holds them: lsof | awk '{print $1}' | sort | uniq -c | sort -n",
        });
      }
      return found;
    },
  }),
  check("denials", "SELinux and AppArmor denials of our program", {
    needs: ["denials"],
    find: ({ denials }): Found | undefined => {
      const lines = denials.flatMap((each) => each.lines);
      if (lines.length === 0) return undefined;
      const who = new Set(
        lines.map((line) =>
          line.includes("apparmor=") ? "AppArmor" : "SELinux"
        ),
      );
      return {
        sentence: `${
          [...who].join(" and ")
        } denies our program something (${lines.length} times)`,
        evidence: denials.map(({ command, lines }) =>
          seen(command, shellList(lines))
        ),
        cure: [...who].map((name) => CURE_OF_DENIALS[name]).join("; "),
      };
    },
  }),
];

const CURE_OF_DENIALS = {
  AppArmor:
    "allow it in the profile that the line names, or: aa-complain PROFILE",
  SELinux:
    "ausearch -m AVC -ts today | audit2allow -M clusternet-local; semodule -i clusternet-local.pp",
} as const;

/** Of a limit: from here on it is worth a word. */
const NEARLY = 0.9;

/**
 * Checks of the API server: does it answer our credentials, how fast, what may
 * we do there.
 *
 * @module
 */

import { type Check, check, type Found } from "./check.ts";
import { seen } from "./evidence.ts";

/** Seconds: certificates and tokens are refused for less than this now and then. */
const SKEW_SECONDS = 30;

/** Milliseconds for a small answer. */
const SLOW_MS = 2_000;

export const API_CHECKS: readonly Check[] = [
  check("api-unreachable", "whether the API server answers our credentials", {
    needs: ["api"],
    find: ({ api: { error, server } }): Found | undefined =>
      error === null || isName(error) ? undefined : {
        sentence: error,
        evidence: [seen(`curl -sS --cacert CA ${server}/version`, error)],
        cure:
          "what the sentence names; docs/troubleshooting.md has a row for it",
      },
  }),
  check("api-name", "whether the API server's name can be resolved", {
    needs: ["api", "resolvers"],
    find: ({ api: { error, server }, resolvers }): Found | undefined => {
      if (error === null || !isName(error)) return undefined;
      const { hostname } = new URL(server);
      return {
        sentence: `The API server's name ${hostname} cannot be resolved`,
        evidence: [
          seen(`getent hosts ${hostname}`, error),
          seen("cat /etc/resolv.conf", resolvers.join("\n")),
        ],
        cure:
          "mend /etc/resolv.conf or /etc/hosts, or give an address: --server",
      };
    },
  }),
  check("api-slow", "how long the API server takes", {
    needs: ["api"],
    find: ({ api: { error, milliseconds, server } }): Found | undefined =>
      error !== null || milliseconds < SLOW_MS ? undefined : {
        severity: "warning",
        sentence: `The API server takes ${
          (milliseconds / 1_000).toFixed(1)
        } s for a small answer`,
        evidence: [
          seen(`time curl -sS ${server}/version`, `${milliseconds} ms`),
        ],
        cure: "look at kube-apiserver's and etcd's load, and at the way there",
      },
  }),
  check("credentials-stale", "credentials that were renewed and not read", {
    needs: ["agent", "api"],
    find: ({ agent, api }): Found | undefined => {
      const { error } = agent.api;
      if (api.error !== null || error === null) return undefined;
      if (!/\b401\b|certificate|credentials/i.test(error)) return undefined;
      return {
        sentence:
          "The agent is refused with the credentials that it has, those in the files are accepted",
        evidence: [seen("clusternet status -o json", error)],
        cure:
          "it reads them again whenever it is refused, so it sees other files than these: " +
          "a file that is mounted by itself (subPath, BindPaths=) stays the old one; " +
          "mount its folder, and restart the agent: no packet is lost",
      };
    },
  }),
  check("rbac", "whether the agent's credentials may do what it does", {
    needs: ["rights"],
    find: ({ rights }): Found | undefined => {
      const denied = [...rights].filter(([, allowed]) => !allowed)
        .map(([what]) => what);
      if (denied.length === 0) return undefined;
      return {
        sentence: `The agent's credentials may not ${denied.join(", ")}`,
        evidence: denied.map((what) =>
          seen(`kubectl auth can-i ${what}`, "no")
        ),
        cure: "kubectl apply -k deploy/kustomize/overlays/host-service " +
          "(the kubelet's credentials), or deploy/kustomize/base (pods)",
      };
    },
  }),
  check("clock", "this clock against the API server's", {
    needs: ["api"],
    find: ({ api: { aheadSeconds, server } }): Found | undefined => {
      if (aheadSeconds === null || Math.abs(aheadSeconds) < SKEW_SECONDS) {
        return undefined;
      }
      const way = aheadSeconds > 0 ? "ahead of" : "behind";
      return {
        severity: "warning",
        sentence: `This clock is ${
          Math.abs(Math.round(aheadSeconds))
        } s ${way} the API server's: certificates and tokens may be refused`,
        evidence: [
          seen("date -u", `${way} by ${Math.round(aheadSeconds)} s`),
          seen(`curl -sSI ${server}/version | grep -i ^date`, ""),
        ],
        cure: "timedatectl set-ntp true, on the machine whose clock is wrong",
      };
    },
  }),
];

/** The sentence of a name that is not known (`sys/kube_error.ts`). */
function isName(error: string): boolean {
  return /cannot be resolved/.test(error);
}

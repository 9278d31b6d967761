/**
 * What the sandbox of `deploy/systemd/clusternet.service` means for the agent's
 * options: some places it does not see (ProtectHome=, PrivateTmp=), and it writes
 * to few (ProtectSystem=strict). A test holds this to the unit.
 *
 * @module
 */

/** ProtectHome=yes and PrivateTmp=yes. */
const HIDDEN = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/** StateDirectory=, ConfigurationDirectory=, RuntimeDirectory=. */
export const WRITABLE = [
  "/var/lib/clusternet",
  "/etc/cni/net.d",
  "/run/clusternet",
  "/run/clusternet-cni",
];

/** The place that hides a path from the service; `undefined`: it is seen. */
export function hiddenBy(path: string): string | undefined {
  return HIDDEN.find((place) => isBelow(path, place));
}

/**
 * Directories that have to be let in, for the files that the agent writes.
 *
 * @param variables CLUSTERNET_… as the service has them
 */
export function directoriesToLetIn(
  variables: ReadonlyMap<string, string>,
): readonly string[] {
  const files = ["CLUSTERNET_PRIVATE_KEY_FILE", "CLUSTERNET_CNI_CONF_FILE"]
    .map((name) => variables.get(name) ?? "");
  const directories = files.filter((file) => /^\/.*\//.test(file))
    .map((file) => file.slice(0, file.lastIndexOf("/")));
  return [...new Set(directories)].filter((directory) =>
    !WRITABLE.some((place) => isBelow(directory, place))
  );
}

/**
 * A drop-in that lets them in; "-": without one of them the service starts all
 * the same, and says itself what is missing.
 */
export function letInText(directories: readonly string[]): string {
  const lines = directories.map((directory) => {
    const path = directory.replaceAll("%", "%%").replaceAll(/["\\]/g, "\\$&");
    return `ReadWritePaths="-${path}"`;
  });
  return [
    "# For the files that clusternet.env names. Made by `clusternet install`.",
    "[Service]",
    ...lines,
    "",
  ].join("\n");
}

function isBelow(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}

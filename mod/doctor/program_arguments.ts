/**
 * What a program of Kubernetes was started with.
 *
 * @module
 */

/** `--name=value` or `--name value`. */
export function argumentOf(
  args: readonly string[],
  name: string,
): string | undefined {
  const at = args.findIndex((arg) =>
    arg === name || arg.startsWith(`${name}=`)
  );
  const arg = args[at];
  if (arg === undefined) return undefined;
  return arg === name ? args[at + 1] : arg.slice(name.length + 1);
}

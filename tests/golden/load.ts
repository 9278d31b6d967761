/**
 * Golden netlink messages by the command that made them; `capture.ts` has the
 * form of the file.
 *
 * @module
 */

export interface Golden {
  /** To the kernel, one message each. */
  readonly sent: readonly Uint8Array[];
  /** From it, one datagram each. */
  readonly received: readonly Uint8Array[];
}

/** @param file "rtnetlink.txt" or "wireguard.txt" */
export function loadGolden(file: string): (command: string) => Golden {
  const text = Deno.readTextFileSync(new URL(file, import.meta.url));
  const sections = new Map(
    text.split(/^\$ /m).slice(1).map((section) => {
      const [command = ""] = section.split("\n");
      const rows = section.slice(command.length + 1).split(/^(?=[<>])/m);
      const of = (direction: string): Uint8Array[] =>
        rows.filter((row) => row.startsWith(direction)).map(bytesOf);
      return [command, { sent: of(">"), received: of("<") }];
    }),
  );
  return (command) => {
    const golden = sections.get(command);
    if (golden === undefined) throw new Error(`${file} has no "${command}"`);
    return golden;
  };
}

function bytesOf(row: string): Uint8Array {
  const pairs = row.slice(1).replaceAll(/\s/g, "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}

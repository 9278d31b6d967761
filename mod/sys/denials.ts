/**
 * What SELinux or AppArmor has denied our program: the kernel says it in its own
 * log, and to auditd alone where that one runs.
 *
 * @module
 */

import { mustOutput } from "./command_output.ts";

export interface FoundDenials {
  /** What shows them to a person. */
  readonly command: string;
  readonly lines: readonly string[];
}

/** auditd(8); its own default. */
const AUDIT_LOG = "/var/log/audit/audit.log";

/** Bytes of its end that are read. */
const TAIL_BYTES = 1024 * 1024;

const PATTERN = `avc: *denied|apparmor="DENIED"`;

/**
 * Oldest first.
 *
 * @param sinceMs milliseconds since 1970: what was denied before is no news
 * @throws {Error} one sentence: there is neither log
 */
export async function findDenials(
  sinceMs: number,
): Promise<readonly FoundDenials[]> {
  const audit = await endOf(AUDIT_LOG);
  const kernel = await mustOutput(["dmesg"], { timeoutMs: 3_000 })
    .catch((error) => {
      if (audit === undefined) throw error;
      return "";
    });
  return [
    { command: `dmesg | grep -E '${PATTERN}'`, log: kernel },
    { command: `grep -E '${PATTERN}' ${AUDIT_LOG}`, log: audit ?? "" },
  ].map(({ command, log }) => ({ command, lines: denialsIn(log, sinceMs) }))
    .filter(({ lines }) => lines.length > 0);
}

/** Lines since then that deny something to a program of ours. */
export function denialsIn(log: string, sinceMs: number): readonly string[] {
  return log.split("\n").filter((line) =>
    /avc:\s+denied|apparmor="DENIED"/.test(line) &&
    /clusternet|wireguard-go|comm="deno"/.test(line) &&
    secondsOf(line) >= Math.floor(sinceMs / 1_000)
  );
}

/** Since 1970: "audit(1767225600.123:45)"; one without it counts as new. */
function secondsOf(line: string): number {
  return Number(/\baudit\((\d+)\.\d+:\d+\)/.exec(line)?.[1] ?? Infinity);
}

/** `undefined`: it is not there, or not ours to read. */
async function endOf(path: string): Promise<string | undefined> {
  try {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    await file.seek(Math.max(0, size - TAIL_BYTES), Deno.SeekMode.Start);
    return await new Response(file.readable).text();
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied
    ) return undefined;
    throw error;
  }
}

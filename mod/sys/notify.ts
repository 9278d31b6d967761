/**
 * What systemd wants to hear (sd_notify(3)): one datagram to NOTIFY_SOCKET for
 * each thing told. Nothing here ever throws or waits: a service manager that
 * does not listen is no reason for the data plane to stop.
 *
 * @module
 */

import { O_RDONLY, type Shim } from "./shim.ts";

/** More than `systemctl status` shows. */
const STATUS_LIMIT = 500;

export interface NotifyOptions {
  /** `NOTIFY_SOCKET`: a path or `@name`; `undefined`: nobody listens. */
  readonly socket: string | undefined;
  readonly shim: Shim;
  /** Told once of the first failure; must not throw. */
  readonly onError?: (error: unknown) => void;
}

export class Notifier {
  readonly #options: NotifyOptions;
  #status: string | undefined;
  #failed = false;

  constructor(options: NotifyOptions) {
    this.#options = options;
  }

  /** It has started, or read its configuration again. */
  ready(): void {
    this.#send("READY=1");
  }

  /** One sentence for `systemctl status`; the same one again sends nothing. */
  status(text: string): void {
    // A newline would begin another assignment.
    const line = text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")
      .slice(0, STATUS_LIMIT).toWellFormed();
    if (line === this.#status) return;
    this.#status = line;
    this.#send(`STATUS=${line}`);
  }

  watchdog(): void {
    this.#send("WATCHDOG=1");
  }

  /** The configuration is being read again; `ready()` ends it. */
  reloading(): void {
    const now = this.#monotonicMicroseconds();
    if (now === undefined) this.#send("RELOADING=1");
    else this.#send(`RELOADING=1\nMONOTONIC_USEC=${now}`);
  }

  stopping(): void {
    this.#send("STOPPING=1");
  }

  #send(text: string): void {
    const { socket, shim } = this.#options;
    if (socket === undefined || !/^[/@]./.test(socket)) return;
    try {
      shim.sendUnix(socket, new TextEncoder().encode(`${text}\n`));
    } catch (error) {
      if (this.#failed) return;
      this.#failed = true;
      this.#options.onError?.(error);
    }
  }

  /**
   * /proc/uptime in hundredths, rounded up: systemd compares it with its own
   * CLOCK_MONOTONIC, and takes what is not before its request.
   */
  #monotonicMicroseconds(): number | undefined {
    const buffer = new Uint8Array(64);
    try {
      const { shim } = this.#options;
      using file = shim.open("/proc/uptime", { flags: O_RDONLY });
      const length = shim.read(file, buffer);
      const seconds = parseFloat(
        new TextDecoder().decode(buffer.subarray(0, length)),
      );
      return Number.isFinite(seconds)
        ? (Math.round(seconds * 100) + 1) * 10_000
        : undefined;
    } catch {
      return undefined;
    }
  }
}

/**
 * How often to call `watchdog()`: half of what systemd allows (sd_watchdog_enabled(3)).
 *
 * @param environment WATCHDOG_USEC and WATCHDOG_PID
 * @param pid our own: the variables may be another process's
 * @returns milliseconds; `undefined`: no watchdog waits for us
 */
export function watchdogIntervalMs(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: owner } = environment;
  if (microseconds === undefined || !/^[1-9][0-9]{0,15}$/.test(microseconds)) {
    return undefined;
  }
  if (owner !== undefined && owner !== "" && owner !== String(pid)) {
    return undefined;
  }
  return Math.max(1, Math.floor(Number(microseconds) / 2_000));
}

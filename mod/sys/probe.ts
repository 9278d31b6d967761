/**
 * Is somebody there? One TCP segment to a port that nobody uses: the refusal is
 * the answer. No raw socket and no right is needed for it.
 *
 * @module
 */

import { systemReason } from "./directory.ts";

/** "discard" (RFC 863): whoever does serve it takes no harm. */
export const DISCARD = 9;

/** Fits the agent's port `ProbePort`. */
export class TcpProbe {
  async probe(address: string, timeoutMs: number): Promise<{
    readonly answered: boolean;
    readonly roundTripMs: number | undefined;
    readonly failure: string;
  }> {
    const started = performance.now();
    const answer = (): {
      readonly answered: boolean;
      readonly roundTripMs: number;
      readonly failure: string;
    } => ({
      answered: true,
      roundTripMs: Math.round((performance.now() - started) * 10) / 10,
      failure: "",
    });
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeoutMs);
    try {
      const connection = await Deno.connect({
        hostname: address,
        port: DISCARD,
        signal: late.signal,
      });
      connection.close();
      return answer();
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return answer();
      const failure = late.signal.aborted
        ? `no answer within ${Math.round(timeoutMs / 100) / 10} s`
        : systemReason(error);
      return { answered: false, roundTripMs: undefined, failure };
    } finally {
      clearTimeout(timer);
    }
  }
}

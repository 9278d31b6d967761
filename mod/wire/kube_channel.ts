/**
 * What a program in a pod says, as the API server hands it on over a WebSocket:
 * each message is one byte, the number of a channel, and what came on that.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/ and
 * k8s.io/apimachinery/pkg/util/remotecommand/constants.go
 *
 * @module
 */

import { listOf, property, textOf } from "./json.ts";

/** The newest first; the fourth is all that Kubernetes before 1.30 has. */
export const CHANNEL_PROTOCOLS: readonly string[] = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
];

/** remotecommand/constants.go: StreamStdOut, StreamStdErr, StreamErr. */
export const STDOUT = 1;
export const STDERR = 2;
/** How it ended: one `Status`, as JSON. */
export const END = 3;

export interface ChannelMessage {
  readonly channel: number;
  readonly bytes: Uint8Array;
}

/** @throws {SyntaxError} for a message without the number of a channel */
export function decodeChannelMessage(message: Uint8Array): ChannelMessage {
  const [channel] = message;
  if (channel !== undefined) return { channel, bytes: message.subarray(1) };
  throw new SyntaxError("Cannot decode a message of exec: it is empty");
}

export type ProgramEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** It could not be started, or not be seen to its end. */
  | { readonly kind: "failure"; readonly why: string };

/** What channel 3 says. Whatever it is, it is an end. */
export function decodeProgramEnd(bytes: Uint8Array): ProgramEnd {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return { kind: "failure", why: "its end is told in no JSON" };
  }
  if (property(value, "status") === "Success") return { kind: "exit", code: 0 };
  const causes = listOf(property(property(value, "details"), "causes"));
  for (const cause of causes) {
    if (property(cause, "reason") !== "ExitCode") continue;
    const code = Number(property(cause, "message"));
    if (Number.isInteger(code)) return { kind: "exit", code };
  }
  return {
    kind: "failure",
    why: textOf(property(value, "message"), 500) ?? "it says not why",
  };
}

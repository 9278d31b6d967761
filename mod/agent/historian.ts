/**
 * Tells the history what people would want to know of later: whether all stood,
 * peers that came and went, Nodes that are none and why.
 *
 * @module
 */

import type { History } from "../core/history.ts";
import type { Touched } from "../core/peer_index.ts";
import type { PeerStatus } from "../core/status.ts";
import type { Summary } from "./health.ts";
import type { Nodes } from "./nodes.ts";

/** Of more at once only the number is said: the list of a start is no news. */
const NAMED = 10;

export class Historian {
  readonly #history: History;
  #said = "";
  #down: ReadonlySet<string> = new Set();

  constructor(history: History) {
    this.#history = history;
  }

  health({ ready, text }: Summary): void {
    // Peers that come and go have entries of their own.
    const now = ready ? "Ready" : text;
    if (now === this.#said) return;
    this.#said = now;
    this.#history.add(
      ready ? "ready" : "not-ready",
      ready ? `Ready: ${text}` : text,
    );
  }

  /** After a change of the Nodes. */
  touched({ keys, names }: Touched, nodes: Nodes): void {
    const peers = nodes.peers();
    if (keys.size > NAMED) {
      this.#history.add(
        "peer",
        `${peers?.size ?? 0} peers, ${keys.size} of them came, went or changed`,
      );
    } else {
      for (const key of keys) {
        const name = nodes.nodeOf(key) ?? key;
        const peer = peers?.get(key);
        this.#history.add(
          "peer",
          peer === undefined
            ? `${name} is a peer no more`
            : `${name} is a peer: ${peer.endpoint}, ${
              peer.allowedIps.join(", ")
            }`,
        );
      }
    }
    if (names.size > NAMED) {
      this.#history.add(
        "node",
        `${nodes.findings.size} Nodes are not wholly used`,
      );
      return;
    }
    for (const name of names) {
      const finding = nodes.findings.get(name);
      const reasons = [...finding?.remarks ?? [], ...finding?.conflicts ?? []];
      this.#history.add(
        "node",
        finding === undefined
          ? `Node ${name} is usable now`
          : reasons.map(({ text }) => text).join("; "),
      );
    }
  }

  /** As somebody has just been told: who answers no more, and who does again. */
  told(peers: readonly PeerStatus[]): void {
    const down = new Set<string>();
    for (const { publicKey, node, state, probe } of peers) {
      const name = node ?? publicKey;
      const was = this.#down.has(publicKey);
      if (state === "down") {
        down.add(publicKey);
        if (!was) {
          this.#history.add(
            "peer",
            `${name} is down: ${probe?.failure ?? "no answer"}`,
          );
        }
      } else if (was) {
        this.#history.add("peer", `${name} is ${state} again`);
      }
    }
    this.#down = down;
  }
}

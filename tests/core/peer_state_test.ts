import assert from "node:assert/strict";
import {
  peerState,
  type Probe,
  PROBE_COUNTS_MS,
} from "../../mod/core/peer_state.ts";
import { NO_TRAFFIC, SESSION_MS } from "../../mod/core/traffic.ts";

const NOW = 1_700_000_000_000;

interface Row {
  /** Milliseconds since the last handshake. */
  readonly handshake?: number;
  readonly probe?: Partial<Probe>;
  readonly state: "up" | "idle" | "down";
}

const ROWS: Readonly<Record<string, Row>> = {
  "a fresh handshake": { handshake: 1_000, state: "up" },
  "an old handshake says nothing of being down": {
    handshake: SESSION_MS,
    state: "idle",
  },
  "no handshake at all": { state: "idle" },
  "an unanswered probe": {
    handshake: 10_000,
    probe: { answered: false },
    state: "down",
  },
  "an unanswered probe, and a handshake after it": {
    handshake: 500,
    probe: { answered: false, atMs: NOW - 1_000 },
    state: "up",
  },
  "an unanswered probe of long ago": {
    handshake: 100_000,
    probe: { answered: false, atMs: NOW - PROBE_COUNTS_MS },
    state: "up",
  },
  "an answered probe that made the session": {
    handshake: 900,
    probe: { answered: true, session: false },
    state: "idle",
  },
  "an answered probe over a session": {
    handshake: 90_000,
    probe: { answered: true, session: true },
    state: "up",
  },
};

for (const [what, { handshake, probe, state }] of Object.entries(ROWS)) {
  Deno.test(`peerState() of ${what} is ${state}`, () => {
    const lastHandshakeMs = handshake === undefined
      ? undefined
      : NOW - handshake;
    const whole = probe && {
      atMs: NOW - 1_000,
      answered: false,
      roundTripMs: undefined,
      failure: "",
      session: true,
      ...probe,
    };
    const traffic = { ...NO_TRAFFIC, lastHandshakeMs };
    assert.equal(peerState(traffic, { nowMs: NOW, probe: whole }), state);
  });
}

import assert from "node:assert/strict";
import {
  HANDSHAKE_MS,
  peerState,
  type Probe,
  PROBE_COUNTS_MS,
  probePatience,
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

Deno.test("probePatience() outlasts WireGuard's second try, but only where there was none yet", () => {
  const patience = (
    handshake: number | undefined,
    probe?: Partial<Probe>,
  ): number =>
    probePatience({
      ...NO_TRAFFIC,
      lastHandshakeMs: handshake === undefined ? undefined : NOW - handshake,
    }, {
      nowMs: NOW,
      probe: probe && {
        ...{ atMs: NOW - 1_000, answered: false, session: false },
        ...{ roundTripMs: undefined, failure: "", ...probe },
      },
    });
  const once = patience(10_000);
  assert.ok(once < HANDSHAKE_MS && HANDSHAKE_MS > 5_334);
  assert.equal(patience(undefined), HANDSHAKE_MS);
  assert.equal(patience(SESSION_MS), HANDSHAKE_MS);
  assert.equal(patience(undefined, {}), once, "known to be down");
  assert.equal(
    patience(undefined, { atMs: NOW - PROBE_COUNTS_MS }),
    HANDSHAKE_MS,
    "that was long ago",
  );
  assert.equal(
    patience(SESSION_MS, { answered: true }),
    HANDSHAKE_MS,
    "it was there",
  );
});

import assert from "node:assert/strict";
import { NO_CREDENTIALS } from "../../mod/sys/kube_access.ts";
import { forbiddenCure, unauthorizedCure } from "../../mod/sys/kube_cure.ts";
import { Secret } from "../../mod/sys/secret.ts";
import { Authority } from "../support/certificates.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

/** As kube-apiserver says it: k8s.io/apiserver, responsewriters.Forbidden, and the two node plugins. */
const FORBIDDEN: readonly (readonly [string, string, RegExp | undefined])[] = [
  [
    'nodes is forbidden: User "system:node:a" cannot list resource "nodes" in API group "" at the cluster scope: node \'a\' cannot read all nodes, only its own Node object',
    "nodes list,watch",
    /^grant nodes list,watch to the group system:nodes: bind it to the ClusterRole clusternet-node-reader \(kubectl apply -k deploy\/kustomize\/overlays\/host-service\)$/,
  ],
  [
    'nodes "b" is forbidden: User "system:node:a" cannot get resource "nodes" in API group "" at the cluster scope: node \'a\' cannot read \'b\', only its own Node object',
    "nodes get",
    /--node-name/,
  ],
  [
    'nodes "b" is forbidden: node "a" is not allowed to modify node "b"',
    "nodes/status patch",
    /--node-name/,
  ],
  [
    'nodes "a" is forbidden: User "system:node:a" cannot patch resource "nodes/status" in API group "" at the cluster scope',
    "nodes/status patch",
    /--authorization-mode=Node,RBAC/,
  ],
  [
    'nodes "a" is forbidden: User "system:serviceaccount:clusternet:clusternet" cannot patch resource "nodes/status" in API group "" at the cluster scope',
    "nodes/status patch",
    /^grant nodes\/status patch: bind it to the ClusterRole clusternet \(kubectl apply -k deploy\/kustomize\/base\)$/,
  ],
  [
    'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope',
    "nodes list,watch",
    /^no credentials were shown/,
  ],
  [
    "nodes \"a\" is forbidden: ValidatingAdmissionPolicy 'clusternet-own-node-only' with binding 'clusternet-own-node-only' denied request: only the agent's own Node",
    "nodes/status patch",
    undefined,
  ],
  ["", "nodes get", /^grant nodes get$/],
];

Deno.test("forbiddenCure() names what to apply, for whoever it is that may not", () => {
  for (const [message, grant, expected] of FORBIDDEN) {
    const cure = forbiddenCure({ message }, grant);
    if (expected === undefined) assert.equal(cure, undefined, message);
    else assert.match(cure ?? "", expected, message);
  }
});

const NOW = Date.UTC(2026, 0, 2);

function bearer(claims: unknown): Secret {
  const part = (value: unknown): string =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({
      alphabet: "base64url",
      omitPadding: true,
    });
  return new Secret(`Bearer ${part({ alg: "RS256" })}.${part(claims)}.c2ln`);
}

Deno.test("unauthorizedCure() tells a token that is over from one that is not known", () => {
  const sources = { ca: "", clientCert: "", authorization: "/run/token" };
  const say = (authorization: Secret | undefined): string =>
    unauthorizedCure({
      source: "kubeconfig /etc/k",
      credentials: { clientCert: undefined, authorization, sources },
      now: NOW,
    });
  assert.equal(
    say(bearer({ exp: NOW / 1_000 - 60 })),
    "the token /run/token expired at 2026-01-01T23:59:00Z: the kubelet renews those of pods, others have to be made anew",
  );
  const unknown =
    "it does not accept the token /run/token (of this cluster?): put a good one there, it is read again";
  assert.equal(say(bearer({ exp: NOW / 1_000 + 60 })), unknown);
  assert.equal(say(new Secret("Bearer abc")), unknown);
  assert.equal(
    say(undefined),
    "no credentials were shown: name a user with a client certificate or a token in kubeconfig /etc/k",
  );
});

const DATES = "unauthorizedCure() looks at the dates of the client certificate";
Deno.test({
  name: DATES,
  ignore: skipped(DATES, { commands: ["openssl"] }),
  fn: async () => {
    await using dir = await tempDir();
    const { cert } = Authority.create(dir.path).issue("/CN=a");
    const file = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    const day = 86_400_000;
    const say = (now: number): string =>
      unauthorizedCure({
        source: "kubeconfig /etc/k",
        credentials: {
          ...NO_CREDENTIALS,
          clientCert: cert,
          sources: { ...NO_CREDENTIALS.sources, clientCert: file },
        },
        now,
      });
    assert.match(
      say(Date.now() + 3 * day),
      /^the client certificate \/var\/lib\/kubelet\/pki\/kubelet-client-current\.pem expired at 20\S+Z: the kubelet renews its own \(rotateCertificates; /,
    );
    assert.match(
      say(Date.now() - day),
      /^the client certificate \S+ counts only from 20\S+Z on: is this machine's clock right\?$/,
    );
    assert.match(
      say(Date.now() + 1_000),
      /^it does not accept the client certificate \S+ \(signed by its --client-ca-file\?\): put a good one there/,
    );
  },
});

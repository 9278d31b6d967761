import assert from "node:assert/strict";
import { oldServer } from "../../mod/core/server_version.ts";

const SERVER = "https://192.0.2.1:6443";

Deno.test("oldServer() is about what is older than the floor, and nothing else", () => {
  const old = ["v1.29.15", "v1.29.1-eks-508b6b3", "1.9.0", "v0.21.4"];
  for (const version of old) {
    assert.equal(
      oldServer(version, SERVER)?.text,
      `The API server ${SERVER} is ${version}, and clusternet supports v1.30 and newer: ` +
        "upgrade kube-apiserver, or run an older clusternet (all that works goes on)",
    );
  }
  const fine = ["v1.30.0", "v1.30.5-gke.1014001", "v1.36.3", "v2.0.0-alpha.1"];
  // A build without a version, and what is none.
  const strange = ["v0.0.0-master+$Format:%H$", "", "latest", "v1", "v1.x"];
  for (const version of [...fine, ...strange]) {
    assert.equal(oldServer(version, SERVER), undefined, version);
  }
});

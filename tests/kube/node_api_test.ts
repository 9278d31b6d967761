/**
 * What real API servers say of Nodes, and do with them: both encodings are read
 * alike, and the claims hold that the API server of the tests is held to.
 *
 * @module
 */

import type { ApiLab } from "../contract/api_lab.ts";
import { apiListsContract } from "../contract/api_lists.ts";
import { apiObjectsContract } from "../contract/api_objects.ts";
import { assertAlike, assertUnharmed } from "../support/recorded_nodes.ts";
import type { Recorded } from "../support/recorded_nodes.ts";
import type { ControlPlane } from "./control_plane.ts";
import { NODES } from "./nodes.ts";
import { recordNodes } from "./record_nodes.ts";
import { SharedPlane } from "./shared_plane.ts";
import { signedToken } from "./tokens.ts";

let recorded: readonly Recorded[];
let powerless: ApiLab["powerless"];

const shared = new SharedPlane(() => ({}), async (plane) => {
  recorded = await recordNodes(plane.admin);
  const account = await plane.admin.create(
    "/api/v1/namespaces/default/serviceaccounts",
    { metadata: { name: "powerless" } },
  );
  powerless = {
    token: signedToken(plane, account, 600),
    user: "system:serviceaccount:default:powerless",
  };
});

shared.test("lists, watches and errors are read alike in both encodings, whatever a Node holds", () => {
  assertAlike(recorded);
  return Promise.resolve();
});

shared.test("damage to what has come in protobuf is refused with a SyntaxError, or read, and harms nothing", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  assertUnharmed(recorded, { rounds: 10_000, seed });
  return Promise.resolve();
});

apiObjectsContract(onReal);
apiListsContract(onReal);

function onReal(name: string, body: (lab: ApiLab) => Promise<void>): void {
  shared.test(name, async (plane) => {
    for (const { metadata } of (await plane.admin.get(NODES)).items) {
      await plane.admin.delete(`${NODES}/${metadata.name}`);
    }
    await body(labOf(plane));
  });
}

function labOf(plane: ControlPlane): ApiLab {
  return {
    powerless,
    open: async (method, path, { token, ...options }) => {
      if (token === undefined) {
        return await plane.admin.open(method, path, options);
      }
      using client = plane.withToken(token);
      const response = await client.open(method, path, options);
      return new Response(await response.bytes(), response);
    },
    loseHistory: async () => {
      await plane.compact();
      // Its cache still knows what etcd has forgotten.
      await plane.stop("kube-apiserver", "SIGKILL");
      await plane.startApiServer();
    },
  };
}

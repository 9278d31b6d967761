/** @module */

import type { Route } from "../../mod/core/state.ts";
import { routeContract, type RouteLab } from "../contract/routes.ts";
import { FakeKernel } from "../fakes/kernel.ts";

function makeLab(): Promise<RouteLab> {
  const kernel = new FakeKernel();
  const link = "cn0";
  kernel.hand.addLink(link, "veth");
  kernel.hand.setLinkUp(link);
  return Promise.resolve({
    port: kernel.routes,
    link,
    kind: "veth",
    addForeignRoute: (route: Route): Promise<void> =>
      Promise.resolve(kernel.hand.addRoute(route)),
    setLinkDown: (): Promise<void> =>
      Promise.resolve(kernel.hand.setLinkDown(link)),
    deleteLink: (): Promise<void> =>
      Promise.resolve(kernel.hand.deleteLink(link)),
    [Symbol.asyncDispose]: (): Promise<void> => Promise.resolve(),
  });
}

routeContract("fake", makeLab);

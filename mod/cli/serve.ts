/**
 * The tasks that let people ask the agent: on its socket, and on the loopback.
 * Where one cannot listen, that is said once, tried again now and then, and
 * changes nothing for the network.
 *
 * @module
 */

import type { Task } from "../agent/supervise.ts";
import type { Config } from "../core/config.ts";
import { errorText } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { listenOn, socketOf } from "../sys/agent_socket.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { removeIfThere } from "../sys/directory.ts";
import {
  type Pages,
  type ServeOptions,
  servePages,
} from "../sys/http_server.ts";
import type { Shim } from "../sys/shim.ts";

/** Milliseconds until listening is tried again. */
const AGAIN_MS = 30_000;

/** By which a browser may ask: a name of somebody else's that leads here is not one. */
const LOCAL_NAMES: ReadonlySet<string> = new Set([
  "localhost",
  "127.0.0.1",
  "[::1]",
]);

export interface ServeTasksOptions {
  readonly config: Config;
  readonly log: Log;
  readonly shim: Shim;
  /** For root on this machine. */
  readonly socketPages: Pages;
  /** For everybody on this machine, and who forwards the port. */
  readonly localPages: Pages;
  /** For whoever reaches the node. */
  readonly publicPages: Pages;
}

export function serveTasks(options: ServeTasksOptions): readonly Task[] {
  const { config, shim } = options;
  const path = socketOf(config.interface);
  const tasks = [listening("serve-socket", options, {
    what: path,
    listen: () => listenOn(path, shim),
    pages: options.socketPages,
    after: () => removeIfThere(path),
  })];
  const { httpAddress, metricsBindAddress } = config;
  if (metricsBindAddress !== undefined) {
    tasks.push(listening("serve-metrics", options, {
      what: metricsBindAddress.text,
      listen: () => Deno.listen(metricsBindAddress),
      pages: options.publicPages,
    }));
  }
  if (httpAddress !== undefined) {
    tasks.push(listening("serve-http", options, {
      what: httpAddress.text,
      listen: () => Deno.listen(httpAddress),
      pages: options.localPages,
      hosts: LOCAL_NAMES,
    }));
  }
  return tasks;
}

interface Place extends Pick<ServeOptions, "hosts" | "pages"> {
  /** For people. */
  readonly what: string;
  readonly listen: () => Deno.Listener<Deno.Conn>;
  readonly after?: () => void;
}

export function listening(
  name: string,
  { log }: Pick<ServeTasksOptions, "log">,
  place: Place,
): Task {
  return {
    name,
    run: async (signal) => {
      let said = "";
      while (!signal.aborted) {
        try {
          const listener = place.listen();
          const { hosts, pages } = place;
          await servePages(listener, { hosts, pages, signal });
          place.after?.();
        } catch (error) {
          const text = `Cannot serve on ${place.what}: ${errorText(error)}`;
          if (text !== said) {
            log.warn(`${text}; the network goes on without`, {
              event: "serve-failed",
            });
          }
          said = text;
          await clock.sleep(AGAIN_MS, signal);
        }
      }
    },
  };
}

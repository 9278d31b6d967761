/**
 * clusternet: a Kubernetes cluster's pod network over WireGuard.
 *
 * @module
 */

import { main } from "./mod/cli/main.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));

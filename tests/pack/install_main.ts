/**
 * The program as in an executable, without building one.
 *
 * @module
 */

import { main } from "../../mod/cli/main.ts";

Deno.exit(await main(Deno.args, { kind: "bundled", commit: undefined }));

/**
 * Checks and writes a state file and says what came of it, as one line of JSON.
 * Run by the tests that kill it or take its disk away.
 *
 * @module
 */

import { FatalError } from "../../mod/core/errors.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { checkStateFile, writeStateFile } from "../../mod/sys/state_file.ts";

const [file = ""] = Deno.args;
try {
  const shim = await loadShim();
  const due = checkStateFile(file, shim);
  const unwritten = await writeStateFile(file, shim);
  console.log(JSON.stringify({ due, unwritten }));
} catch (error) {
  if (!(error instanceof FatalError)) throw error;
  console.log(JSON.stringify({ message: error.message }));
  Deno.exit(error.exitCode);
}

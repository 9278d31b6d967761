/**
 * Loads or makes a key file and says what came of it, as one line of JSON. Run
 * by the tests that kill it or take its disk away.
 *
 * @module
 */

import { FatalError } from "../../mod/core/errors.ts";
import { derivePublicKey } from "../../mod/core/key.ts";
import { loadOrCreatePrivateKey } from "../../mod/sys/key_file.ts";
import { loadShim } from "../../mod/sys/shim.ts";

const [file = ""] = Deno.args;
try {
  const { key, created } = await loadOrCreatePrivateKey(file, await loadShim());
  const publicKey = await derivePublicKey(key);
  console.log(JSON.stringify({ publicKey, created }));
} catch (error) {
  if (!(error instanceof FatalError)) throw error;
  console.log(JSON.stringify({ message: error.message }));
  Deno.exit(error.exitCode);
}

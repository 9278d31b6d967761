/**
 * Writes a CNI configuration, once. Run by the test that kills it.
 *
 * @module
 */

import { ConflistFile } from "../../mod/sys/conflist_file.ts";
import { loadShim } from "../../mod/sys/shim.ts";

const [file = "", directory = "", text = ""] = Deno.args;
const port = new ConflistFile({ shim: await loadShim(), directory });
await port.write(file, text);
console.log("written");

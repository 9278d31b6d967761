/** @module */

import assert from "node:assert/strict";
import { ERRNO } from "../../mod/core/errors.ts";
import { errnoText } from "../../mod/wire/errno.ts";

Deno.test("errnoText() has words for every number that the program tells apart", () => {
  for (const [name, errno] of Object.entries(ERRNO)) {
    assert.doesNotMatch(errnoText(errno), /^Error/, name);
  }
  assert.equal(errnoText(ERRNO.EADDRINUSE), "Address already in use");
  assert.equal(errnoText(5000), "Error 5000");
});

import assert from "node:assert/strict";
import { aptReason, missingNeeds, needsText } from "./packages.ts";

Deno.test("needsText() names each package once, with all that it is for", () => {
  const need = (name: string, why: string) => ({
    package: name,
    why,
    anyOf: [],
  });
  assert.equal(
    needsText([
      need("iproute2", "links"),
      need("kmod", "it boots the guest"),
      need("iproute2", "the guest runs it"),
      need("iproute2", "links"),
    ]),
    "  iproute2  links; the guest runs it\n  kmod      it boots the guest",
  );
});

Deno.test("missingNeeds() is content with one of several names or paths", () => {
  const need = (...anyOf: readonly string[]) => ({
    package: anyOf.join(),
    why: "",
    anyOf,
  });
  const there = [need("sh"), need("no-such-command", "sh"), need("/", "/no")];
  const absent = need("no-such-command", "/no/such/file");
  assert.deepEqual(missingNeeds([...there, absent]), [absent]);
});

// Printed by apt 2.6 without network, and where a package is unknown.
Deno.test("aptReason() makes a part of a sentence of what apt-get prints", () => {
  const offline = "Temporary failure resolving 'mirror.example'";
  const text =
    ["dists/bookworm", "dists/bookworm-updates"].map((path) =>
      `E: Failed to fetch http://mirror.example/${path}/InRelease  ${offline}\n`
    ).join("") +
    "E: Some index files failed to download. They have been ignored, or old ones used instead.";
  assert.equal(aptReason(text), offline);
  assert.equal(
    aptReason("E: Unable to locate package a\nE: Unable to locate package b\n"),
    "Unable to locate package a; Unable to locate package b",
  );
  assert.equal(aptReason(""), "nothing");
});

Deno.test("installing packages starts no service: what stands in for that runs, and does nothing", async () => {
  const folder = new URL("no_services/", import.meta.url);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["deb-systemd-invoke", "invoke-rc.d"]);
  for (const name of names) {
    const program = new URL(name, folder);
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: ["start", "containerd.service"],
    }).output();
    assert.deepEqual([code, stdout.length, stderr.length], [0, 0, 0], name);
  }
});

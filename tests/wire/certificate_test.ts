import assert from "node:assert/strict";
import { validityOf } from "../../mod/wire/certificate.ts";
import { Authority } from "../support/certificates.ts";
import { Random } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

/**
 * openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1
 *   -subj /CN=a -days 36500 -keyout /dev/null
 *
 * openssl x509 -noout -dates says: notBefore=Nov 29 19:27:28 2026 GMT (a
 * UTCTime), notAfter=Nov  5 19:27:28 2126 GMT (a GeneralizedTime).
 */
const A_CENTURY = `-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUQRoctCvvj/QEkJUkagiJAvQ+XFEwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjkxOTI3MjhaGA8yMTI2MTEwNTE5MjcyOFow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNjJMtXUfmmd
ZfTfd3Nm58PbTE806hd4eYj12kSUqUxZt09MGojoJqXMXh4z+Af/ietVbtR+O/Qn
DL9V1XDp1uyjUzBRMB0GA1UdDgQWBBQOeh7H+ZVQoYMXSP4U0Df2B25IvjAfBgNV
HSMEGDAWgBQOeh7H+ZVQoYMXSP4U0Df2B25IvjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQCQ2Lsa1Q0C5cCamzCg4QlOmhUckTHGvzwhWAeKvYev
uAIgVw4rqkYrhOBXWkpLslK+ZomFOrSTr6aAdgyr6NuV3no=
-----END CERTIFICATE-----
`;

Deno.test("validityOf() reads both kinds of time, of the first certificate in a text", () => {
  const expected = {
    notBefore: Date.UTC(2026, 10, 29, 19, 27, 28),
    notAfter: Date.UTC(2126, 10, 5, 19, 27, 28),
  };
  assert.deepEqual(validityOf(A_CENTURY), expected);
  const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  assert.deepEqual(validityOf(`${key}${A_CENTURY}${key}`), expected);
});

const oracle = "validityOf() says what openssl says";
Deno.test({
  name: oracle,
  ignore: skipped(oracle, { commands: ["openssl"] }),
  fn: async () => {
    await using dir = await tempDir();
    const authority = Authority.create(dir.path);
    for (const days of [-1, 2, 365, 9_000]) {
      const { cert } = authority.issue("/O=system:nodes/CN=n", [], { days });
      await Deno.writeTextFile(`${dir.path}/c.pem`, cert);
      const { stdout } = await new Deno.Command("openssl", {
        args: ["x509", "-in", `${dir.path}/c.pem`, "-noout", "-dates"],
      }).output();
      const [, from = "", to = ""] = /notBefore=(.*)\nnotAfter=(.*)/.exec(
        new TextDecoder().decode(stdout),
      ) ??
        [];
      assert.deepEqual(validityOf(cert), {
        notBefore: Date.parse(from),
        notAfter: Date.parse(to),
      });
    }
  },
});

Deno.test("validityOf() of anything else is undefined, and never an error", () => {
  for (
    const text of ["", "no certificate", A_CENTURY.replaceAll("CERT", "cert")]
  ) {
    assert.equal(validityOf(text), undefined);
  }
  const [begin = "", ...rest] = A_CENTURY.trim().split("\n");
  const end = rest.pop() ?? "";
  const random = new Random(Date.now() & 0xffff);
  for (let round = 0; round < 5_000; round++) {
    const bytes = Uint8Array.fromBase64(rest.join(""));
    for (let each = 0; each <= random.below(4); each++) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const cut = bytes.subarray(0, random.below(bytes.length + 1));
    const pem = `${begin}\n${cut.toBase64()}\n${end}\n`;
    try {
      validityOf(pem);
    } catch (cause) {
      throw new Error(`seed ${random.seed}, round ${round}: ${pem}`, { cause });
    }
  }
});

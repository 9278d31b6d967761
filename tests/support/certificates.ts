/**
 * Certificates for tests, made by the openssl command: an authority, and what it
 * signs.
 *
 * @module
 */

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export class Authority {
  readonly cert: string;
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.cert = Deno.readTextFileSync(`${dir}/ca.crt`);
  }

  /** @param dir an empty folder that the caller removes */
  static create(dir: string, name = "test authority"): Authority {
    openssl(dir, [
      ...["req", "-x509", "-nodes", "-days", "2", "-subj", `/CN=${name}`],
      ...KEY_KIND,
      ...["-keyout", "ca.key", "-out", "ca.crt"],
    ]);
    return new Authority(dir);
  }

  /**
   * @param subject like `/O=system:masters/CN=admin`
   * @param names like `IP:127.0.0.1`; none: for a client
   * @param options.days it counts from now on; -1: until yesterday
   */
  issue(
    subject: string,
    names: readonly string[] = [],
    { days = 2 }: { readonly days?: number } = {},
  ): Certificate {
    const at = (file: string): string => `${this.#dir}/${file}`;
    openssl(this.#dir, [
      ...["req", "-nodes", "-subj", subject, ...KEY_KIND],
      ...["-keyout", "one.key", "-out", "one.csr"],
    ]);
    Deno.writeTextFileSync(
      at("one.ext"),
      names.length === 0
        ? "extendedKeyUsage=clientAuth\n"
        : `subjectAltName=${names.join(",")}\n`,
    );
    openssl(this.#dir, [
      ...["x509", "-req", "-in", "one.csr"],
      ...["-CA", "ca.crt", "-CAkey", "ca.key"],
      ...["-CAcreateserial", "-days", String(days), "-extfile", "one.ext"],
      ...["-out", "one.crt"],
    ]);
    return {
      cert: Deno.readTextFileSync(at("one.crt")),
      key: Deno.readTextFileSync(at("one.key")),
    };
  }
}

const KEY_KIND = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

function openssl(dir: string, args: readonly string[]): void {
  const { success, stderr } = new Deno.Command("openssl", {
    args: [...args],
    cwd: dir,
    stderr: "piped",
    stdout: "null",
  }).outputSync();
  if (success) return;
  throw new Error(
    `Cannot make a certificate: ${new TextDecoder().decode(stderr)}`,
  );
}

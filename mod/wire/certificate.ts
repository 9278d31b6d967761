/**
 * From when until when a certificate counts: RFC 5280, section 4.1.2.5, and only
 * as much of X.509 and of DER as it takes to get there:
 *
 *     Certificate { TBSCertificate { [0] version, serial, algorithm, issuer,
 *                                    Validity { notBefore, notAfter } … } … }
 *
 * @module
 */

/** Milliseconds since 1970. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** X.690, section 8.1.2: identifier octets. */
const SEQUENCE = 0x30;
const VERSION = 0xa0;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** Of the first certificate in a PEM text. `undefined`: there is none that can be read. */
export function validityOf(pem: string): Validity | undefined {
  const [, text] =
    /-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/.exec(
      pem,
    ) ?? [];
  if (text === undefined) return undefined;
  try {
    const [certificate] = elements(Uint8Array.fromBase64(text));
    const [body] = elements(contentOf(certificate, SEQUENCE));
    const fields = elements(contentOf(body, SEQUENCE));
    const [, , , validity] = fields[0]?.tag === VERSION
      ? fields.slice(1)
      : fields;
    const [from, to] = elements(contentOf(validity, SEQUENCE));
    return { notBefore: timeOf(from), notAfter: timeOf(to) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function elements(bytes: Uint8Array): readonly Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at] ?? 0;
    const { length, start } = lengthAt(bytes, at + 1);
    if (start + length > bytes.length) {
      throw new SyntaxError(
        `Cannot decode DER: length ${length} at byte ${at}, ${
          bytes.length - start
        } bytes left`,
      );
    }
    found.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

/** X.690, section 8.1.3; four bytes are more than any certificate needs. */
function lengthAt(
  bytes: Uint8Array,
  at: number,
): { readonly length: number; readonly start: number } {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return { length: first, start: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4) {
    throw new SyntaxError(`Cannot decode DER: a length of ${count} bytes`);
  }
  let length = 0;
  for (let each = 1; each <= count; each++) {
    length = length * 256 + (bytes[at + each] ?? 0);
  }
  return { length, start: at + 1 + count };
}

function contentOf(element: Element | undefined, tag: number): Uint8Array {
  if (element?.tag === tag) return element.content;
  throw new SyntaxError(`Cannot decode DER: tag ${element?.tag}, not ${tag}`);
}

/** "YYMMDDHHMMSSZ", of the years 1950 to 2049, or "YYYYMMDDHHMMSSZ". */
function timeOf(element: Element | undefined): number {
  const text = String.fromCharCode(...element?.content.subarray(0, 16) ?? []);
  const short = element?.tag === UTC_TIME;
  const century = short ? Number(text.slice(0, 2)) < 50 ? "20" : "19" : "";
  const [, ...parts] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text) ?? [];
  const [year = "", month, day, hour, minute, second] = parts;
  const time = Date.parse(
    `${year}-${month}-${day}T${hour}:${minute}:${second}Z`,
  );
  const known = short || element?.tag === GENERALIZED_TIME;
  if (known && !Number.isNaN(time)) return time;
  throw new SyntaxError(`Cannot decode DER: no time in tag ${element?.tag}`);
}

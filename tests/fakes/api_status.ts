/**
 * The errors of the Kubernetes API: `metav1.Status` objects in the words of
 * k8s.io/apimachinery/pkg/api/errors, so that what reads them is tested on them.
 *
 * @module
 */

import type { Json } from "../../mod/core/json_patch.ts";
import { type Encoding, PROTOBUF, statusBytes } from "./api_protobuf.ts";
import type { JsonObject } from "./api_store.ts";

export interface StatusOptions {
  readonly details?: Json;
  /** Seconds: the header and `details.retryAfterSeconds`. */
  readonly retryAfter?: number;
  /** `metadata.continue`: the token with which an expired list may go on. */
  readonly continueToken?: string;
}

/** Thrown by whatever serves a request; answered as its Status object. */
export class ApiStatus extends Error {
  readonly code: number;
  readonly reason: string;
  readonly options: StatusOptions;

  constructor(
    code: number,
    reason: string,
    message: string,
    options: StatusOptions = {},
  ) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.options = options;
  }

  object(): JsonObject {
    const { details, retryAfter, continueToken } = this.options;
    const more = retryAfter === undefined
      ? details
      : { ...asObject(details), retryAfterSeconds: retryAfter };
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: continueToken === undefined ? {} : { continue: continueToken },
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(more === undefined ? {} : { details: more }),
      code: this.code,
    };
  }

  response(encoding: Encoding = "json"): Response {
    const { retryAfter } = this.options;
    const object = this.object();
    const body = encoding === "json"
      ? JSON.stringify(object)
      : statusBytes(object);
    return new Response(body, {
      status: this.code,
      headers: {
        "content-type": encoding === "json" ? "application/json" : PROTOBUF,
        "cache-control": "no-cache, private",
        ...(retryAfter === undefined
          ? {}
          : { "retry-after": String(retryAfter) }),
      },
    });
  }
}

function asObject(value: Json | undefined): { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as { readonly [key: string]: Json }
    : {};
}

const NODES = (name: string): Json => ({ name, kind: "nodes" });

export function notFound(name: string): ApiStatus {
  return new ApiStatus(404, "NotFound", `nodes "${name}" not found`, {
    details: NODES(name),
  });
}

export function noSuchPath(): ApiStatus {
  return new ApiStatus(
    404,
    "NotFound",
    "the server could not find the requested resource",
    { details: {} },
  );
}

export function alreadyExists(name: string): ApiStatus {
  return new ApiStatus(
    409,
    "AlreadyExists",
    `nodes "${name}" already exists`,
    { details: NODES(name) },
  );
}

export function conflict(name: string, why?: string): ApiStatus {
  const text = why ??
    "the object has been modified; please apply your changes to the latest version and try again";
  return new ApiStatus(
    409,
    "Conflict",
    `Operation cannot be fulfilled on nodes "${name}": ${text}`,
    { details: NODES(name) },
  );
}

export function badRequest(message: string): ApiStatus {
  return new ApiStatus(400, "BadRequest", message);
}

/** A patch that does not apply: its own error text is not repeated. */
export function patchRefused(): ApiStatus {
  return new ApiStatus(
    422,
    "Invalid",
    "the server rejected our request due to an error in our request",
    { details: {} },
  );
}

export function invalid(
  kind: string,
  name: string,
  problems: readonly string[],
): ApiStatus {
  const causes = problems.map((text) => ({
    reason: text.includes("Forbidden")
      ? "FieldValueForbidden"
      : "FieldValueInvalid",
    message: text.slice(text.indexOf(": ") + 2),
    field: text.slice(0, text.indexOf(": ")),
  }));
  const all = problems.length === 1 ? problems[0] : `[${problems.join(", ")}]`;
  return new ApiStatus(
    422,
    "Invalid",
    `${kind} "${name}" is invalid: ${all}`,
    { details: { name, kind, causes } },
  );
}

export function unauthorized(): ApiStatus {
  return new ApiStatus(401, "Unauthorized", "Unauthorized");
}

export function forbidden(
  user: string,
  verb: string,
  resource: string,
): ApiStatus {
  return new ApiStatus(
    403,
    "Forbidden",
    `nodes is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "" at the cluster scope`,
    { details: { kind: "nodes" } },
  );
}

export function tooOld(version: number, oldest: number): ApiStatus {
  return new ApiStatus(
    410,
    "Expired",
    `too old resource version: ${version} (${oldest})`,
  );
}

export function continueExpired(token: string): ApiStatus {
  return new ApiStatus(
    410,
    "Expired",
    "The provided continue parameter is too old to display a consistent list result. " +
      "You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. " +
      "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    { continueToken: token },
  );
}

/** The newest of the three forms that this error has had. */
export function tooLarge(version: number, current: number): ApiStatus {
  return new ApiStatus(
    504,
    "Timeout",
    `Timeout: Too large resource version: ${version}, current: ${current}`,
    {
      retryAfter: 1,
      details: {
        causes: [{
          reason: "ResourceVersionTooLarge",
          message: "Too large resource version",
        }],
      },
    },
  );
}

export function tooManyRequests(retryAfter: number): ApiStatus {
  return new ApiStatus(
    429,
    "TooManyRequests",
    "the server has received too many requests and has asked us to try again later",
    { retryAfter },
  );
}

export function internalError(message: string): ApiStatus {
  return new ApiStatus(
    500,
    "InternalError",
    `Internal error occurred: ${message}`,
    { details: { causes: [{ message }] } },
  );
}

/** As said since 1.18.6, from 1.17.0 to 1.18.5 (a cause without its reason), and before. */
export function tooLargeForm(form: 1 | 2 | 3, current: number): ApiStatus {
  const text = `Too large resource version: ${
    current + 100
  }, current: ${current}`;
  switch (form) {
    case 1:
      return tooLarge(current + 100, current);
    case 2:
      return new ApiStatus(504, "Timeout", `Timeout: ${text}`, {
        retryAfter: 1,
        details: { causes: [{ message: "Too large resource version" }] },
      });
    case 3:
      return new ApiStatus(504, "Timeout", `Timeout: ${text}`, {
        retryAfter: 1,
      });
  }
}

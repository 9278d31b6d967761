/**
 * Nodes as nobody wants them (`reliability` faults 17–22): each is written as
 * JSON text and stored past the API server's validation. None of them may cost
 * a good Node anything.
 *
 * @module
 */

import { ANNOTATION } from "./convergence.ts";
import type { LabNode } from "./node.ts";

export interface Hostile {
  readonly name: string;
  readonly what: string;
  readonly text: string;
  /** Nodes for which there is nothing wrong with it: it may be their peer. */
  readonly fineFor: readonly string[];
}

/** Younger than every good Node: age decides who keeps a key or a prefix. */
const CREATED = "2100-01-01T00:00:00Z";

interface Parts {
  readonly metadata?: unknown;
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** A key that nobody has, made of one byte. */
function someKey(byte: number): string {
  return new Uint8Array(32).fill(byte).toBase64();
}

/**
 * @param victims nodes of the lab; the first two are imitated
 * @param keys their public keys, in the same order
 */
export function hostileNodes(
  victims: readonly LabNode[],
  keys: readonly string[],
): readonly Hostile[] {
  const [first, second] = victims;
  if (first === undefined || second === undefined) return [];
  const [firstKey = "", secondKey = ""] = keys;
  const [firstCidr = ""] = first.plan.podCidrs;
  const [secondCidr = ""] = second.plan.podCidrs;
  const [firstIp = ""] = first.plan.internalIps;
  const half = secondCidr.replace(/0\/24$/, "128/25");
  const many = Array.from(
    { length: 10_000 },
    (_, index) => `10.0.${240 + (index >> 12)}.${index & 255}/32`,
  );
  const cases:
    readonly (readonly [string, (name: string) => string, string[]?])[] = [
      ["no metadata but a name", (name) => node(name, { metadata: { name } })],
      ["no spec", (name) => node(name, { spec: undefined })],
      ["no status", (name) => node(name, { status: null })],
      [
        "annotations null",
        (name) => node(name, { metadata: { name, annotations: null } }),
      ],
      ["a key of 31 bytes", withKey(new Uint8Array(31).fill(7).toBase64())],
      [
        "a key in base64url",
        withKey(
          new Uint8Array(32).fill(255).toBase64({ alphabet: "base64url" }),
        ),
      ],
      ["a key with a newline", withKey(`${someKey(9)}\n`)],
      ["a key of zeros", withKey(someKey(0))],
      [
        "a key that is a list",
        (name) => node(name, { metadata: meta(name, [someKey(10)]) }),
      ],
      ["keys of the prototype", prototypeKeys],
      ["ten thousand podCIDRs", withCidrs(many)],
      [
        "podCIDRs that are no list",
        (name) => node(name, { spec: { podCIDRs: { length: 3 } } }),
      ],
      ["the key of another Node", withKey(secondKey)],
      ["a key of ours", withKey(firstKey)],
      ["the podCIDR of another Node", withCidrs([secondCidr])],
      ["half of the podCIDR of another Node", withCidrs([half])],
      ["our podCIDR", withCidrs([firstCidr])],
      ["the cluster CIDR", withCidrs(["10.0.0.0/16"])],
      ["everything", withCidrs(["0.0.0.0/0", "::/0"])],
      ["a podCIDR outside of the cluster CIDR", withCidrs(["172.16.0.0/24"])],
      ["a podCIDR as mapped IPv6", withCidrs(["::ffff:10.0.250.0/120"])],
      ["a podCIDR that is no prefix", withCidrs(["10.0.250.0/33"])],
      ["a loopback endpoint", withIp("127.0.0.1")],
      ["a multicast endpoint", withIp("224.0.0.1")],
      ["an endpoint inside the cluster CIDR", withIp("10.0.3.4")],
      ["an endpoint that is no address", withIp("0x7f.1")],
      [
        "the endpoint of a good Node",
        withIp(firstIp),
        victims.slice(1).map((each) => each.name),
      ],
    ];
  return cases.map(([what, text, fineFor = []], index) => {
    const name = `hostile-${String(index + 1).padStart(2, "0")}`;
    return { name, what, text: text(name), fineFor };
  });
}

function meta(name: string, key: unknown): unknown {
  return {
    name,
    uid: name,
    creationTimestamp: CREATED,
    annotations: { [ANNOTATION]: key },
  };
}

/** All of it good but for what is given. */
function node(name: string, parts: Parts): string {
  const number = Number(name.split("-")[1]);
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Node",
    metadata: meta(name, someKey(100 + number)),
    spec: { podCIDRs: [`10.0.${210 + number}.0/24`] },
    status: {
      addresses: [{
        type: "InternalIP",
        address: `192.168.78.${210 + number}`,
      }],
    },
    ...parts,
  });
}

function withKey(key: string): (name: string) => string {
  return (name) => node(name, { metadata: meta(name, key) });
}

function withCidrs(podCIDRs: readonly string[]): (name: string) => string {
  return (name) => node(name, { spec: { podCIDRs } });
}

function withIp(address: string): (name: string) => string {
  return (name) =>
    node(name, { status: { addresses: [{ type: "InternalIP", address }] } });
}

/** As text, because an object literal would set its prototype. */
function prototypeKeys(name: string): string {
  return `{"apiVersion":"v1","kind":"Node","__proto__":{"spec":{"podCIDRs":["10.0.251.0/24"]}},` +
    `"metadata":{"name":"${name}","constructor":{"name":"x"},"annotations":{"__proto__":` +
    `{"${ANNOTATION}":"${
      someKey(11)
    }"}}},"spec":{"__proto__":{"podCIDRs":["10.0.252.0/24"]}},` +
    `"status":{"addresses":{"__proto__":[]}}}`;
}

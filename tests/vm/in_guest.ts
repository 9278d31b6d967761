/**
 * What tests in the guest share. A test there may do anything to the machine; it ends what it
 * started and deletes its namespaces, since the next test runs in the same boot.
 *
 * @module
 */

import { runText } from "./host.ts";

export const IN_GUEST = Deno.env.get("CLUSTERNET_GUEST") !== undefined;

/** A test that runs in the guest only; elsewhere it says that it is skipped. */
export function guestTest(name: string, fn: () => Promise<void>): void {
  if (!IN_GUEST) {
    console.log(`SKIPPED ${name}: needs the guest, run \`deno task test:vm\``);
  }
  Deno.test({ name, fn, ignore: !IN_GUEST });
}

/**
 * Runs a command line without quotes, split at spaces. Returns its stdout.
 *
 * @throws {Error} with its stderr, when it fails
 */
export async function sh(commandLine: string): Promise<string> {
  return await runText(commandLine.split(" "));
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Two network namespaces joined by a veth pair, 192.0.2.1 and 192.0.2.2; gone at the end. */
export class NamespacePair implements AsyncDisposable {
  readonly left: string;
  readonly right: string;

  private constructor(prefix: string) {
    this.left = `${prefix}-left`;
    this.right = `${prefix}-right`;
  }

  static async create(prefix: string): Promise<NamespacePair> {
    const pair = new NamespacePair(prefix);
    const { left, right } = pair;
    await sh(`ip netns add ${left}`);
    await sh(`ip netns add ${right}`);
    await sh(
      `ip -n ${left} link add eth0 type veth peer name eth0 netns ${right}`,
    );
    for (
      const [name, address] of [[left, "192.0.2.1/24"], [right, "192.0.2.2/24"]]
    ) {
      await sh(`ip -n ${name} address add ${address} dev eth0`);
      await sh(`ip -n ${name} link set eth0 up`);
      await sh(`ip -n ${name} link set lo up`);
    }
    return pair;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [this.left, this.right]) {
      await sh(`ip netns delete ${name}`);
    }
  }
}

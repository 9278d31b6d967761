/**
 * Command line, environment and configuration file to one `Config`. A flag wins
 * over a variable, a variable over the file, the file over the default. Reading
 * the file is the caller's: first `configFile()`, then `parseArguments()`.
 *
 * @module
 */

import {
  type Config,
  configKey,
  OPTIONS,
  SCHEMA,
  variableName,
} from "./config.ts";
import {
  type Command,
  type Given,
  type GivenByName,
  hint,
  type Option,
  parseFlags,
  suggestion,
  usage,
} from "./flags.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Surroundings {
  readonly hostName: string;
  /** Text of the YAML already parsed; `undefined`: no `--config` was given. */
  readonly file?: { readonly path: string; readonly content: unknown };
}

const RUN: Command = { name: "run", options: OPTIONS };

/**
 * The file that `--config` or `CLUSTERNET_CONFIG` names.
 *
 * @throws {FatalError} of exit code 2
 */
export function configFile(
  args: readonly string[],
  env: Environment,
): string | undefined {
  const given = parseFlags(args, RUN).get("config") ??
    readVariables(env).get("config");
  if (given?.text !== "") return given?.text;
  throw usage(`Cannot use ${given.where}: give the path of a file`);
}

/**
 * @param args what follows `run` on the command line
 * @throws {FatalError} of exit code 2, with one sentence for each thing that is wrong
 */
export function parseArguments(
  args: readonly string[],
  env: Environment,
  { hostName, file }: Surroundings,
): { readonly config: Config } {
  const given = new Map([
    ...fallbacks(env, hostName),
    ...(file === undefined ? [] : readFile(file.path, file.content)),
    ...readVariables(env),
    ...parseFlags(args, RUN),
  ]);
  const texts = OPTIONS.filter(({ name }) => given.has(name)).map((option) => [
    configKey(option),
    given.get(option.name)?.text,
  ]);
  const { success, data, error } = SCHEMA.safeParse(Object.fromEntries(texts));
  if (success) {
    const { kubeconfig, server, ...rest } = data;
    return { config: { ...rest, kubeconfig, server } };
  }
  const sentences = error.issues.map(({ path, message }) => {
    const option = OPTIONS.find((one) => configKey(one) === path[0]);
    const where = given.get(option?.name ?? "")?.where ?? String(path[0]);
    return `Cannot use ${where}: ${message}`;
  });
  throw usage(sentences.join("\n"));
}

/** Defaults of the table, and those that this machine has. */
function* fallbacks(
  env: Environment,
  hostName: string,
): Generator<[string, Given]> {
  for (const { name, fallback } of OPTIONS) {
    if (fallback !== undefined) {
      yield [name, {
        text: fallback,
        where: `the default --${name} ${fallback}`,
      }];
    }
  }
  const host = hostName.toLowerCase();
  yield [
    "node-name",
    env.NODE_NAME
      ? { text: env.NODE_NAME, where: `NODE_NAME=${env.NODE_NAME}` }
      : { text: host, where: `the host name ${host} as --node-name` },
  ];
  const files = (env.KUBECONFIG ?? "").split(":").filter((one) => one !== "");
  const [text] = files;
  if (files.length > 1) {
    throw usage(
      `Cannot use KUBECONFIG=${env.KUBECONFIG}: it names several files; give one with --kubeconfig`,
    );
  }
  if (text !== undefined) {
    yield ["kubeconfig", { text, where: `KUBECONFIG=${text}` }];
  }
}

function readVariables(env: Environment): GivenByName {
  const given = new Map<string, Given>();
  for (const option of OPTIONS) {
    const variable = variableName(option);
    const text = env[variable];
    // An empty variable is an unset one, but where empty has a meaning.
    if (text === undefined) continue;
    if (text === "" && option.mayBeEmpty === undefined) continue;
    given.set(option.name, { text, where: `${variable}=${text}` });
  }
  return given;
}

function readFile(path: string, content: unknown): GivenByName {
  const given = new Map<string, Given>();
  if (content === undefined || content === null) return given;
  if (typeof content !== "object" || Array.isArray(content)) {
    throw usage(
      `Cannot use ${path}: write one option a line, like "listen-port: 7838"`,
    );
  }
  for (const [key, value] of Object.entries(content)) {
    const option = OPTIONS.find(({ name, flagOnly }) =>
      name === key && flagOnly === undefined
    );
    if (option === undefined) {
      throw usage(
        `Unknown key ${key} in ${path}${suggestion(key, "", RUN)} ${hint(RUN)}`,
      );
    }
    if (value === null) continue;
    const text = textOf(value, option);
    const where = `${key} in ${path}`;
    if (text === undefined) {
      throw usage(
        `Cannot use ${where}: write ${
          option.list ? "one value or a list of them" : "one value"
        }`,
      );
    }
    given.set(key, { text, where: `${key}: ${text} in ${path}` });
  }
  return given;
}

/** YAML has numbers, truth values and lists; the schema reads text. */
function textOf(value: unknown, { list }: Option): string | undefined {
  if (list && Array.isArray(value)) {
    return value.every((item) => typeof item === "string")
      ? value.join(",")
      : undefined;
  }
  return ["string", "number", "boolean"].includes(typeof value)
    ? String(value)
    : undefined;
}

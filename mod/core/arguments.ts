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
  type Option,
  OPTIONS,
  SCHEMA,
  variableName,
} from "./config.ts";
import { FatalError } from "./errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Surroundings {
  readonly hostName: string;
  /** Text of the YAML already parsed; `undefined`: no `--config` was given. */
  readonly file?: { readonly path: string; readonly content: unknown };
}

/** A value as text, and where it stands, as a person would name it. */
interface Given {
  readonly text: string;
  /** "--mtu 12", "CLUSTERNET_MTU=12", "mtu: 12 in /etc/clusternet.yaml" */
  readonly where: string;
}

type GivenByName = ReadonlyMap<string, Given>;

const HELP = "Run `clusternet run --help` for all of them.";

/** Was help asked for? Then nothing else counts. */
export function wantsHelp(args: readonly string[]): boolean {
  return args.some((arg) => arg === "--help" || arg === "-h");
}

/**
 * The file that `--config` or `CLUSTERNET_CONFIG` names.
 *
 * @throws {FatalError} of exit code 2
 */
export function configFile(
  args: readonly string[],
  env: Environment,
): string | undefined {
  const given = parseFlags(args).get("config") ??
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
    ...parseFlags(args),
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
    if (text === "" && option.name !== "cni-conf-file") continue;
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
        `Unknown key ${key} in ${path}${suggestion(key, "")} ${HELP}`,
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

function parseFlags(args: readonly string[]): GivenByName {
  const given = new Map<string, Given>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    const [, name, inline] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(arg) ?? [];
    if (name === undefined) throw usage(unexpected(arg));
    const option = OPTIONS.find((one) => one.name === name);
    if (option === undefined) {
      throw usage(`Unknown flag --${name}${suggestion(name, "--")} ${HELP}`);
    }
    const separate = option.metavar !== "" && inline === undefined;
    const text = separate ? args[++at] : inline ?? "true";
    if (text === undefined || (separate && text.startsWith("--"))) {
      throw usage(
        `Cannot use --${name}: it needs a value, --${name} ${option.metavar}`,
      );
    }
    const before = given.get(name);
    if (before !== undefined && option.list === undefined) {
      throw usage(`Cannot use --${name} twice: give it once`);
    }
    const all = before === undefined ? text : `${before.text},${text}`;
    const where = option.metavar === "" && inline === undefined
      ? `--${name}`
      : `--${name} ${all}`;
    given.set(name, { text: all, where });
  }
  return given;
}

function unexpected(arg: string): string {
  return arg.startsWith("-")
    ? `Unknown flag ${arg}: flags are written --name VALUE. ${HELP}`
    : `Unexpected argument ${JSON.stringify(arg)}: only flags follow. ${HELP}`;
}

/** The end of the sentence: "; did you mean --mtu?" where one name is near. */
function suggestion(wrong: string, prefix: string): string {
  const near = OPTIONS.map(({ name }) => ({
    name,
    far: name.startsWith(wrong) && wrong.length > 2 ? 0 : distance(wrong, name),
  })).sort((a, b) => a.far - b.far)[0];
  if (near === undefined || near.far > wrong.length / 3) return ".";
  return `; did you mean ${prefix}${near.name}?`;
}

/** Levenshtein's: how many letters to add, drop or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(
        (next[j] ?? 0) + 1,
        (row[j + 1] ?? 0) + 1,
        (row[j] ?? 0) + (letter === b[j] ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function usage(sentence: string): FatalError {
  return new FatalError(sentence, 2);
}

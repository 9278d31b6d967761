/**
 * The API server of the tests as a program:
 *
 *     deno run -A tests/fakes/api_server_main.ts --listen 127.0.0.1:6443 \
 *       [--cluster-cidr 10.0.0.0/16[,fd00:10::/48]] [--tls-cert FILE --tls-key FILE] \
 *       [--token TOKEN=USER]… [--no-streamed-lists] [--no-protobuf]
 *
 * Prints `ready URL` when it listens; ends on SIGTERM and SIGINT.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { parsePrefix } from "../../mod/core/address.ts";
import { ApiServer } from "./api_server.ts";

const { values } = parseArgs({
  options: {
    "listen": { type: "string", default: "127.0.0.1:0" },
    "cluster-cidr": { type: "string" },
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
    "token": { type: "string", multiple: true },
    "no-streamed-lists": { type: "boolean", default: false },
    "no-protobuf": { type: "boolean", default: false },
  },
});

const [, bracketed, plain, port] =
  /^(?:\[(.+)\]|([^:]+)):([0-9]+)$/.exec(values.listen) ?? [];
if (port === undefined) {
  console.error(`Cannot listen on "${values.listen}": write ADDRESS:PORT`);
  Deno.exit(2);
}
const cert = values["tls-cert"];
const key = values["tls-key"];
const tokens = values.token?.map((text): [string, string] => {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
});

const server = ApiServer.start({
  hostname: bracketed ?? plain ?? "",
  port: Number(port),
  streamedLists: !values["no-streamed-lists"],
  protobuf: !values["no-protobuf"],
  ...(cert === undefined || key === undefined ? {} : {
    tls: {
      cert: Deno.readTextFileSync(cert),
      key: Deno.readTextFileSync(key),
    },
  }),
  ...(tokens === undefined ? {} : { tokens: new Map(tokens) }),
  ...(values["cluster-cidr"] === undefined ? {} : {
    clusterCidrs: values["cluster-cidr"].split(",").map(parsePrefix),
  }),
});
console.log(`ready ${server.url}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.addSignalListener(signal, () => Deno.exit(0));
}

// Opens a model with netron's parsers and prints what they find, as JSON: node open_model.mjs <netron's directory> <file>
//
// netron's interface asks its host for modules, for its tables of operators, and for the files beside a model; it never
// draws anything here.

import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , netron, file] = process.argv;
const load = (name) => import(pathToFileURL(join(netron, name)));

globalThis.window = undefined;
const { ModelFactoryService } = await load("view.js");
const base = await load("base.js");

const stream = (path) => new base.BinaryStream(new Uint8Array(readFileSync(path)));
const host = {
  type: "Node",
  environment: () => null,
  require: (id) => load(`${id.replace("./", "")}.js`),
  asset: async (name) => readFileSync(join(netron, name), "utf8"),
  event() {},
  exception() {},
};
const context = {
  identifier: basename(file),
  stream: stream(file),
  entries: new Map(),
  fetch: async (name) => {
    const path = join(dirname(file), name);
    if (!existsSync(path) || !statSync(path).isFile()) {
      throw new Error(`there is no ${name}`);
    }
    return stream(path);
  },
  asset: host.asset,
  require: host.require,
  error() {},
};

const shape = (type) => {
  const dimensions = type?.shape?.dimensions;
  return Array.isArray(dimensions) ? dimensions.map((size) => (typeof size === "bigint" ? Number(size) : size)) : null;
};
const ends = (list) =>
  (list ?? []).flatMap((argument) =>
    (argument.value ?? []).map((value) => ({
      name: value.name,
      type: value.type?.dataType ?? null,
      shape: shape(value.type),
    })),
  );

const count = (graphs) => {
  const operators = {};
  for (const graph of graphs) {
    for (const node of graph.nodes ?? []) {
      const name = node.type?.name ?? String(node.type);
      operators[name] = (operators[name] ?? 0) + 1;
    }
  }
  return operators;
};

try {
  const model = await new ModelFactoryService(host).open(context);
  const graphs = model.modules ?? model.graphs ?? [];
  const [first] = graphs;
  const summary = {
    format: model.format,
    inputs: ends(first?.inputs),
    outputs: ends(first?.outputs),
    operators: count([...graphs, ...(model.functions ?? [])]),
  };
  console.log(JSON.stringify(summary));
} catch (error) {
  console.log(JSON.stringify({ error: error.message }));
}
process.exit(0);

/**
 * The programs of a project that uses the package: JavaScript, so that all runtimes and bundlers
 * take them as they are. They import `#where` by the import map of the project.
 *
 * @module
 */

const ACTORS = `import { writeSync } from "node:fs";
import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { actor } from "@dq/dramatiq";
import { describe } from "#where";

const place = !isMainThread ? "thread" : process.send !== undefined ? "process" : "program";
export const where = actor((text) => void writeSync(1, describe(text, place)), {
  actorName: "where",
  queueName: process.env.QUEUE,
});
export const fail = actor(() => { throw new Error("for good"); }, {
  actorName: "fail",
  queueName: process.env.QUEUE,
  maxRetries: 0,
});
`;

/** Takes the executor as its argument, and \`modules\` behind that to have it import the actors. */
const APP = `import process from "node:process";
import { getBroker, Worker } from "@dq/dramatiq";
import "./actors.js";

const [executor, how] = process.argv.slice(2);
const modules = how === "modules" ? [import.meta.resolve("./actors.js")] : "main";
const worker = new Worker(getBroker(), { executor, threads: 1, modules });
process.once("SIGTERM", async () => {
  await worker.stop();
  process.exit(0);
});
void worker.start();
`;

const OWN = `import { runWorker } from "@dq/dramatiq/worker";
import "./actors.js";

void runWorker({ threads: 1 });
`;

const NAMED = `import { runWorker } from "@dq/dramatiq/worker";

void runWorker({ threads: 1, modules: [import.meta.resolve("./actors.js")] });
`;

/** Files of the project, besides its configuration. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  "where.js": "export const describe = (text, place) => `ran ${text} in ${place}\\n`;\n",
  "actors.js": ACTORS,
  "app.js": APP,
  "own.js": OWN,
  "named.js": NAMED,
};

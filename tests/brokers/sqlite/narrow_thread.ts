/**
 * Runs an actor in a thread, with no permission of Deno but to read, to write its folder, and for the
 * variable that names its file.
 *
 * @module
 */
import { eventually } from "../../support/servers/until.ts";
import { broker, makeWorker, parent, ran } from "./executor_actors.ts";

const worker = makeWorker("thread");
await worker.start();
await parent.send();
await eventually("run both", () => ran.length === 1);
await worker.stop();
await broker.close();
console.log(ran.join());

/**
 * A worker of `bench/sqlite_size.ts`: it works some messages of a file, prints what it measured, and
 * ends.
 *
 * @module
 */
import process from "node:process";
import { actor, SqliteBroker, Worker } from "../../mod.ts";

const [path = "", count] = process.argv.slice(2);
const memory = process.memoryUsage().rss;
const begunAt = performance.now();
const broker = new SqliteBroker({ path });
await broker.connect();
const opening = performance.now() - begunAt;

let ran = 0;
const done = Promise.withResolvers<void>();
actor((_number: number, _text: string) => {
  if (++ran === Number(count)) done.resolve();
}, { broker, actorName: "note" });
const worker = new Worker(broker, { concurrency: 100 });
const begun = process.cpuUsage();
await worker.start();
await done.promise;
const { user, system } = process.cpuUsage(begun);
const growth = (process.memoryUsage().rss - memory) / 1e6;
console.log(JSON.stringify({ opening, rate: Number(count) / (user + system) * 1_000, growth }));
await worker.stop();
await broker.close();
process.exit(0);

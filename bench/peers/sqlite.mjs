/**
 * What others do with SQLite on Bun: a worker end to end with a no-op, by the processor's time.
 *
 *     (cd bench/peers && npm ci) && bun bench/peers/sqlite.mjs [messages]
 */
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue, Worker } from "bunqueue/client";
import { bun, defineQueue, defineWorker } from "plainjob";

const messages = Number(process.argv[2] ?? 10_000);
const folder = mkdtempSync(join(tmpdir(), "dramatiq-bench-"));
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

async function rate(name, run) {
  const begun = process.cpuUsage();
  const start = performance.now();
  await run();
  const { user, system } = process.cpuUsage(begun);
  const perSecond = messages / (user + system) * 1e6;
  const byClock = messages / (performance.now() - start) * 1e3;
  console.log(
    `${name.padEnd(26)}${Math.round(perSecond)} (by the clock ${
      Math.round(byClock)
    })`,
  );
}

{
  const connection = bun(
    new Database(join(folder, "plainjob.db"), { strict: true }),
  );
  const queue = defineQueue({ connection, logger: quiet });
  await rate(
    "plainjob addMany",
    () => queue.addMany("noop", Array(messages).fill([1, "two"])),
  );
  const done = Promise.withResolvers();
  let ran = 0;
  const worker = defineWorker("noop", async () => {
    if (++ran === messages) done.resolve();
  }, { queue, logger: quiet });
  await rate("plainjob worker", async () => {
    void worker.start();
    await done.promise;
  });
  await worker.stop();
  queue.close();
}
{
  const dataPath = join(folder, "bunqueue.db");
  const queue = new Queue("noop", { embedded: true, dataPath });
  const jobs = Array.from(
    { length: messages },
    () => ({ name: "noop", data: [1, "two"] }),
  );
  await rate("bunqueue addBulk", () => queue.addBulk(jobs));
  const done = Promise.withResolvers();
  let ran = 0;
  await rate("bunqueue worker", async () => {
    new Worker("noop", async () => {
      if (++ran === messages) done.resolve();
    }, { embedded: true, concurrency: 100 });
    await done.promise;
  });
}
rmSync(folder, { recursive: true });
process.exit(0);

// A job that stores its progress, and continues there when a shutdown has cut it short.
// Run: deno run -A examples/persistent.ts
// Prints: row 1 | row 2 | stopped after 2 rows | row 3 | row 4
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { actor, brokerFromUrl, currentSignal, Retry, setBroker, Worker } from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);

const folder = await mkdtemp(join(tmpdir(), "persistent-"));
const half = Promise.withResolvers<void>();

const importRows = actor(async function importRows(name: string, rows: number) {
  const signal = currentSignal();
  const file = join(folder, name); // or a row of your database
  let done = Number(await readFile(file, "utf8").catch(() => "0"));
  while (done < rows) {
    if (signal.aborted) {
      console.log(`stopped after ${done} rows`);
      throw new Retry("the worker is stopping", { delay: 50 });
    }
    console.log(`row ${++done}`);
    await writeFile(file, String(done));
    if (done === rows / 2) half.resolve();
    await sleep(300, undefined, { signal }).catch(() => {}); // work that the signal cuts short
  }
}, { notifyShutdown: true });

await importRows.send("customers.csv", 4);

const first = new Worker(broker);
await first.start();
await half.promise;
await first.stop();

const second = new Worker(broker);
await second.start();
await broker.join("default");
await second.stop();
await broker.close();
await rm(folder, { recursive: true });

import { copyFile, open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { BrokerConnectionError, Message, SqliteBroker } from "@dq/dramatiq";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";
import { Random } from "../../torture/random.ts";
import { work } from "../../conformance/broker_messages.ts";
import { OPENERS } from "./databases.ts";

const SEED = 11;
const COPIES = 40;
const MESSAGES = 60;
const LONG = "x".repeat(3_000);

test("SqliteBroker keeps a prefix of what was committed when its log is cut short anywhere", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    const broker = new SqliteBroker({ path });
    for (let n = 0; n < MESSAGES; n++) await broker.enqueue(work("default", n, LONG));
    const log = await readFile(`${path}-wal`); // of another process this would be: nothing is closed
    const random = new Random(SEED);
    for (let i = 0; i < COPIES; i++) {
      const copy = join(folder, `copy-${i}.db`);
      await copyFile(path, copy);
      await writeFile(`${copy}-wal`, log);
      await truncate(`${copy}-wal`, random.between(0, log.length));
      const database = OPENERS["node:sqlite"]!(copy);
      const tables = database.prepare("select name from sqlite_schema").all();
      const numbers = tables.length === 0 ? [] : database.prepare(
        "select b.body from dramatiq_messages m join dramatiq_bodies b on b.id=m.id order by m.id",
      ).all().map((row) => Message.decode((row as { body: string }).body).args[0]);
      assertEquals(numbers, Array.from({ length: numbers.length }, (_, n) => n));
      database.close();
    }
    await broker.close();
  });
});

test("SqliteBroker says what is wrong with a damaged file, or works with it, and never hangs", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    const broker = new SqliteBroker({ path });
    await broker.enqueueMany(Array.from({ length: MESSAGES }, (_, n) => work("default", n, LONG)));
    await broker.close();
    const random = new Random(SEED);
    for (let i = 0; i < COPIES; i++) {
      const copy = join(folder, `copy-${i}.db`);
      await copyFile(path, copy);
      const file = await open(copy, "r+");
      const { size } = await file.stat();
      for (let byte = 0; byte < 40; byte++) {
        const at = random.between(0, size - 1);
        await file.write(Uint8Array.of(random.between(0, 255)), 0, 1, at);
      }
      await file.close();
      await use(copy);
    }
  });
});

/** Sends, receives and settles, as far as that goes. */
async function use(path: string): Promise<void> {
  const broker = new SqliteBroker({ path, share: false });
  const signal = AbortSignal.timeout(10_000);
  try {
    await broker.enqueue(work("default", "new"));
    const consumer = broker.consume("default", { prefetch: MESSAGES + 1 });
    const received = await consumer.receive(MESSAGES + 1, { signal });
    await consumer.ack(received.slice(1));
    await consumer.nack(received.slice(0, 1));
    await broker.getQueueMessageCounts("default");
  } catch (error) {
    assert(error instanceof BrokerConnectionError, `${error}`);
  }
  await broker.close();
  assert(!signal.aborted, "it hangs");
}

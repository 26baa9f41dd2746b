import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals, assertRejects } from "@std/assert";
import { ResultMissing, SqliteBroker, SqliteResultBackend } from "@dq/dramatiq";
import { connectionOf } from "../../clients/sqlite/handles.ts";
import { resultBackendConformance } from "../conformance/result_backend.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { after, test } from "../support/test.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-sqlite-"));
const path = join(folder, "results.db");
after(() => rm(folder, { recursive: true }));

resultBackendConformance({
  name: "SqliteResultBackend",
  create: (options) => new SqliteResultBackend({ path, share: false, ...options }),
  async putRaw(key, data) {
    await using broker = new SqliteBroker({ path });
    const connection = connectionOf(broker);
    await connection.writer.transact(() =>
      connection.statement("insert into dramatiq_results values(?,?,?)").run(key, data, 2 ** 52)
    );
    connection.notifier.notify();
  },
  skips: { outage: "there is no server" },
});

test("SqliteResultBackend shares the connection of a broker, in memory, too", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await using backend = new SqliteResultBackend({ broker });
  const message = { queueName: "q", actorName: "a", messageId: "1" };
  await backend.storeResult(message, 7, 1_000);
  assertEquals(await backend.getResult(message), 7);
  const connection = connectionOf(broker);
  const { count } = connection.statement("select count(*) count from dramatiq_results").get() as {
    count: number;
  };
  assertEquals(count, 1);
});

test("SqliteResultBackend purges what has expired, by its clock", async () => {
  const clock = new FakeClock();
  await using broker = new SqliteBroker({ path: ":memory:" });
  await using backend = new SqliteResultBackend({ broker, clock });
  const of = (messageId: string) => ({ queueName: "q", actorName: "a", messageId });
  for (let i = 0; i < 1_200; i++) void backend.storeResult(of(`${i}`), i, 1_000);
  await backend.storeResult(of("kept"), 1, 5_000);
  await clock.advance(2_000);
  const connection = connectionOf(broker);
  connection.runMaintenance();
  await connection.writer.drained();
  const rows = connection.statement("select key from dramatiq_results").all();
  assertEquals(rows.length, 1);
});

test("SqliteResultBackend gives no result that has expired, by its clock", async () => {
  const clock = new FakeClock();
  await using backend = new SqliteResultBackend({ path: ":memory:", clock });
  const message = { queueName: "q", actorName: "a", messageId: "1" };
  await backend.storeResult(message, 7, 1_000);
  clock.jump(999);
  assertEquals(await backend.getResult(message), 7);
  clock.jump(1);
  await assertRejects(() => backend.getResult(message), ResultMissing);
});

test("SqliteResultBackend tells those who wait in the same process", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await using backend = new SqliteResultBackend({ broker });
  const { notifier } = connectionOf(broker);
  let told = 0;
  const listener = () => told += 1;
  notifier.listen(listener);
  const message = { queueName: "q", actorName: "a", messageId: "1" };
  const getting = backend.getResult(message, { block: true, timeout: 60_000 });
  await backend.storeResult(message, 7, 1_000);
  assertEquals([await getting, told], [7, 1]);
  notifier.unlisten(listener);
});

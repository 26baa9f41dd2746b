import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { SqliteBroker, SqliteControlStore } from "@dq/dramatiq";
import { recover } from "../../brokers/sqlite/recovery.ts";
import { connectionOf } from "../../clients/sqlite/handles.ts";
import { brokerClaimsConformance } from "../conformance/broker_claims.ts";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { claimsModel } from "../conformance/claims_model.ts";
import { brokerSuspectsConformance, type SuspectsHarness } from "../conformance/broker_suspects.ts";
import { controlStoreConformance } from "../conformance/control_store.ts";
import { Mirror } from "../conformance/control_store_harness.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { after, test } from "../support/test.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-sqlite-"));
after(() => rm(folder, { recursive: true }));
const pathOf = (namespace: string) => join(folder, `${namespace}.db`);

controlStoreConformance({
  name: "SqliteControlStore",
  open: (namespace, clock) =>
    new SqliteControlStore({ path: pathOf(namespace), share: false, clock }),
  skips: {
    survivesOutages: "it has no server",
    survivesFlushes: "nobody else can make it forget, but by replacing the file",
  },
});

brokerControlConformance({
  name: "SqliteBroker",
  open: (namespace, middleware, clock) =>
    new SqliteBroker({
      path: pathOf(namespace),
      share: false,
      middleware,
      ...(clock && { clock }),
    }),
  makeClock: () => new FakeClock(Date.now()),
});

brokerClaimsConformance({
  name: "SqliteBroker",
  open: (namespace, middleware, clock) =>
    new SqliteBroker({
      path: pathOf(namespace),
      share: false,
      middleware,
      ...(clock && { clock }),
    }),
  makeClock: () => new FakeClock(Date.now()),
});

const suspects: SuspectsHarness = {
  name: "SqliteBroker",
  open: (namespace) => new SqliteBroker({ path: pathOf(namespace), share: false }),
  async die(_broker, other) {
    await other.connect();
    const connection = connectionOf(other);
    const dead = await connection.read(() =>
      connection.statement(
        "select id, beat from dramatiq_workers where id in " +
          "(select owner from dramatiq_messages where state=1)",
      ).all()
    ) as { id: number; beat: number }[];
    for (const row of dead) await recover(connection, row, "dead");
  },
  async countLeft(broker, queueName) {
    const { ready, delayed, unacknowledged } = await (broker as SqliteBroker)
      .getQueueMessageCounts(queueName);
    return ready + delayed + unacknowledged;
  },
};
brokerSuspectsConformance(suspects);
claimsModel(suspects, 15);

test("SqliteBroker has a control store in its file, in memory, too", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  assertEquals(broker.controlStore, broker.controlStore);
  using mirror = new Mirror(broker.controlStore);
  await mirror.read();
  await broker.controlStore.change([{ key: "a", value: 1 }]);
  await mirror.becomes({ a: 1 });
});

test("SqliteControlStore makes watchers read again after the file was replaced", async () => {
  const path = pathOf(crypto.randomUUID());
  await using store = new SqliteControlStore({ path, share: false });
  using mirror = new Mirror(store);
  await mirror.read();
  await store.change([{ key: "a", value: 1 }]);
  await mirror.becomes({ a: 1 });
  for (const suffix of ["", "-wal", "-shm"]) await rm(path + suffix, { force: true });
  await using other = new SqliteControlStore({ path, share: false });
  await other.change([{ key: "b", value: 1 }]);
  await mirror.becomes({ b: 1 });
});

test("SqliteControlStore reads past entries that another program has written", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await broker.connect();
  const store = broker.controlStore;
  await store.change([{ key: "a", value: 1 }]);
  const write = connectionOf(broker).statement("insert into dramatiq_control values(?,?,?,null)");
  write.run("bad/0", 1, "garbage");
  write.run("bad/1", 1, "{");
  const { entries } = await store.read("");
  assertEquals(entries.map(({ key, value }) => [key, value]), [["a", 1]]);
  await store.change([{ key: "bad/0", value: 2 }]);
  assertEquals((await store.read(["bad/0", "bad/1"])).entries.map(({ value }) => value), [2]);
});

import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { actor, SqliteBroker } from "@dq/dramatiq";
import { receiveOne } from "../../conformance/broker_messages.ts";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";
import { BetterSqlite3 } from "./databases.ts";

test("SqliteBroker sends in a transaction of drizzle", async () => {
  const { drizzle } = await import("drizzle-orm/better-sqlite3");
  const { integer, sqliteTable } = await import("drizzle-orm/sqlite-core");
  const orders = sqliteTable("orders", { id: integer("id").primaryKey() });
  await withFolder(async (folder) => {
    const database = new BetterSqlite3(join(folder, "app.db"));
    database.exec("create table orders(id integer primary key)");
    const db = drizzle({ client: database as never });
    await using broker = new SqliteBroker({ database: db.$client });
    await broker.connect();
    const invoice = actor((_order: number) => {}, { broker, actorName: "invoice" });
    db.transaction((tx) => {
      tx.insert(orders).values({ id: 7 }).run();
      broker.enqueueIn(db.$client, [invoice.message(7)]);
    });
    await using consumer = broker.consume("default");
    assertEquals((await receiveOne(consumer)).args, [7]);
    assertEquals(db.select().from(orders).all(), [{ id: 7 }]);
    await broker.close();
    database.close();
  });
});

test("SqliteBroker sends in a transaction of kysely", async () => {
  const { Kysely, SqliteDialect } = await import("kysely");
  await withFolder(async (folder) => {
    const database = new BetterSqlite3(join(folder, "app.db"));
    database.exec("create table orders(id integer primary key)");
    const dialect = new SqliteDialect({ database: database as never });
    const db = new Kysely<{ orders: { id: number } }>({ dialect });
    await using broker = new SqliteBroker({ database });
    await broker.connect();
    const invoice = actor((_order: number) => {}, { broker, actorName: "invoice" });
    await db.transaction().execute(async (tx) => {
      await tx.insertInto("orders").values({ id: 7 }).execute();
      broker.enqueueIn(database, [invoice.message(7)]);
    });
    await using consumer = broker.consume("default");
    assertEquals((await receiveOne(consumer)).args, [7]);
    assertEquals(await db.selectFrom("orders").selectAll().execute(), [{ id: 7 }]);
    await broker.close();
    await db.destroy();
  });
});

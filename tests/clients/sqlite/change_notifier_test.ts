import { existsSync, mkdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { checkAddress } from "../../../clients/sqlite/address.ts";
import { SqliteConnection } from "../../../clients/sqlite/connection.ts";
import { withFolder } from "../../support/folder.ts";
import { eventually } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";

/** Runs something with a connection that is open. */
async function withConnection(
  run: (connection: SqliteConnection, path: string) => Promise<void> | void,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    const connection = new SqliteConnection(checkAddress({ path }));
    await connection.open();
    await run(connection, path);
    await connection.close();
  });
}

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

test("ChangeNotifier.notify writes to the file at once, and again for what comes soon after", async () => {
  await withConnection(async ({ notifier }, path) => {
    const file = `${path}-notify`;
    notifier.notify();
    assertEquals(sizeOf(file), 1);
    truncateSync(file);
    notifier.notify();
    await eventually("write again", () => sizeOf(file) === 1);
  });
});

test("ChangeNotifier.closed writes what it has put off", async () => {
  await withConnection((connection, path) => {
    const file = `${path}-notify`;
    const { notifier } = connection;
    notifier.notify();
    for (let i = 0; i < 10; i++) {
      truncateSync(file);
      notifier.notify(); // within a millisecond of the one before, mostly
      notifier.closed();
      assertEquals(sizeOf(file), 1);
      notifier.opened(path);
    }
  });
});

test("ChangeNotifier hears of commits of other programs, without a file of its own, too", async () => {
  await withConnection(async ({ notifier }, path) => {
    mkdirSync(`${path}-notify`); // it cannot be opened
    let heard = 0;
    const listener = () => heard += 1;
    notifier.listen(listener);
    const other = new DatabaseSync(path);
    other.exec("create table others(n integer)");
    other.close();
    await eventually("hear", () => heard > 0);
    notifier.unlisten(listener);
  });
});

test("ChangeNotifier creates its file again when it was removed", async () => {
  await withConnection(async (connection, path) => {
    const file = `${path}-notify`;
    const listener = () => {};
    connection.notifier.listen(listener);
    assert(existsSync(file));
    rmSync(file);
    await eventually("make it again", () => existsSync(file));
    connection.notifier.unlisten(listener);

    rmSync(file);
    await eventually("make it again without listening", () => {
      connection.check();
      connection.notifier.notify();
      return existsSync(file);
    });
  });
});

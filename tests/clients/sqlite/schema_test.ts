import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { assertEquals } from "@std/assert";
import type { SqliteDatabase } from "../../../clients/sqlite/database.ts";
import { migrate, SCHEMA } from "../../../clients/sqlite/schema.ts";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";

test("migrate does nothing when another process was faster", async () => {
  await withFolder((folder) => {
    const path = join(folder, "tasks.db");
    const [slow, fast] = [new DatabaseSync(path), new DatabaseSync(path)];
    const racing: SqliteDatabase = {
      exec: (sql) => slow.exec(sql),
      prepare: (sql) => {
        if (sql === "begin immediate") migrate(fast, path);
        return slow.prepare(sql);
      },
    };
    migrate(racing, path);
    const read = "select value from dramatiq_meta where name='schema'";
    assertEquals({ ...slow.prepare(read).get() }, { value: SCHEMA });
    slow.close();
    fast.close();
    return Promise.resolve();
  });
});

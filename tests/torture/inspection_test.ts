import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { testLong } from "../servers/own.ts";
import { withFolder } from "../support/folder.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { fillRedis, measureRedis } from "./inspecting/redis_caps.ts";
import { fillSqlite, measureSqlite } from "./inspecting/sqlite_caps.ts";

const COUNT = 20_000;

testLong("redis-server")(
  "RedisInspector costs the server a bounded number of commands and bytes a call",
  async () => {
    const server = await startOwnRedis();
    try {
      await fillRedis(server, COUNT);
      const over = (await measureRedis(server, COUNT))
        .filter(({ commands, bytes, cap }) => commands > cap.commands || bytes > cap.bytes);
      assertEquals(over, []);
    } finally {
      await server.stop();
    }
  },
);

testLong("redis-server")("SqliteInspector runs a bounded number of statements a call", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await fillSqlite(path, COUNT);
    const over = (await measureSqlite(path, COUNT))
      .filter(({ statements, cap }) => statements > cap);
    assertEquals(over, []);
  });
});

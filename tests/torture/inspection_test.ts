import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { testLong } from "../servers/own.ts";
import { withFolder } from "../support/folder.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { fillRedis, measureRedis } from "./inspecting/redis_caps.ts";
import * as redis from "./inspecting/redis_looks.ts";
import { fillSqlite, measureSqlite } from "./inspecting/sqlite_caps.ts";
import * as sqlite from "./inspecting/sqlite_looks.ts";

const COUNT = 20_000;

testLong("redis-server")(
  "RedisInspector, pages and commands cost the server a bounded number of commands and bytes",
  async () => {
    const server = await startOwnRedis();
    try {
      await fillRedis(server, COUNT);
      const calls = await measureRedis(server, COUNT);
      await redis.fillForLooks(server);
      const over = [...calls, ...await redis.measureRedisLooks(server)]
        .filter(({ commands, bytes, cap }) => commands > cap.commands || bytes > cap.bytes);
      assertEquals(over, []);
    } finally {
      await server.stop();
    }
  },
);

testLong("redis-server")(
  "SqliteInspector, pages and commands run a bounded number of statements",
  async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "tasks.db");
      await fillSqlite(path, COUNT);
      const calls = await measureSqlite(path, COUNT);
      assertEquals(calls.filter(({ statements, cap }) => statements > cap), []);
      await sqlite.fillForLooks(path);
      const over = (await sqlite.measureSqliteLooks(path, COUNT))
        .filter(({ statements, cap, rows, rowCap }) => statements > cap || rows > rowCap);
      assertEquals(over, []);
    });
  },
);

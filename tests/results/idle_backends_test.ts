import { assertEquals } from "@std/assert";
import { startMemcached } from "../support/servers/memcached.ts";
import { startRedis } from "../support/servers/redis.ts";
import { test } from "../support/test.ts";
import { runIdleProgram } from "./idle_program.ts";

test("idle backends do not keep a program running that has closed its broker", async () => {
  await using redis = await startRedis();
  await using memcached = await startMemcached();
  const addresses = [{ url: redis.url }, { memcached: memcached.address }];
  const expected = ["3", "closed"];
  assertEquals(await Promise.all(addresses.map(runIdleProgram)), [expected, expected]);
});

import { assertEquals, assertRejects } from "@std/assert";
import { startRedisCluster } from "../support/servers/redis_cluster.ts";
import { testOwn } from "./own.ts";

const test = testOwn("redis-server");

test("startRedisCluster gives nodes that share the slots and survive a restart", async () => {
  await using cluster = await startRedisCluster();
  const [first, second, third] = cluster.nodes;

  assertEquals(await first!.command("CLUSTER", "KEYSLOT", "{a}"), 15_495);
  assertEquals(await third!.command("SET", "{a}", "value"), "OK");
  await assertRejects(
    () => first!.command("SET", "{a}", "value"),
    Error,
    `MOVED 15495 127.0.0.1:${third!.port}`,
  );

  await second!.kill();
  await second!.restart();
  await cluster.untilOk();
  assertEquals(await second!.command("CLUSTER", "COUNTKEYSINSLOT", 8_000), 0);
});

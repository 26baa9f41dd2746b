import { assertEquals } from "@std/assert";
import { type RedisSentinel, startRedisSentinel } from "../support/servers/redis_sentinel.ts";
import { testOwn } from "./own.ts";

const test = testOwn("redis-server");

async function rolesOf({ servers }: RedisSentinel): Promise<unknown[]> {
  const roles = await Promise.all(servers.map((server) => server.command("ROLE")));
  return roles.map((role) => Array.isArray(role) ? role[0] : role);
}

test("RedisSentinel failOver swaps master and replica", async () => {
  await using system = await startRedisSentinel();
  const [first, second] = system.servers;
  assertEquals(await rolesOf(system), ["master", "slave"]);
  assertEquals(await system.master(), first);

  assertEquals(await system.failOver(), second);

  assertEquals(await rolesOf(system), ["slave", "master"]);
  assertEquals(await system.master(), second);
});

test("RedisSentinel untilMasterIsNot gives who took over from a master that was killed", async () => {
  await using system = await startRedisSentinel({ sentinels: 3 });
  const [first, second] = system.servers;
  assertEquals(system.addresses.length, 3);

  await first!.kill();

  assertEquals(await system.untilMasterIsNot(first!), second);
  await first!.restart();
  await system.untilOk();
  assertEquals(await rolesOf(system), ["slave", "master"]);
});

import { stat } from "node:fs/promises";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { exchange } from "../support/servers/exchange.ts";
import {
  attachMemcached,
  type MemcachedServer,
  startOwnMemcached,
} from "../support/servers/memcached.ts";
import { isAlive, testOwn } from "./own.ts";

const test = testOwn("memcached");

function ask(server: MemcachedServer, question: string): Promise<string> {
  return exchange(server, `${question}\r\n`, (received) => {
    const text = received.toString();
    return /(STORED|END)\r\n$/.test(text) ? text : undefined;
  });
}

test("MemcachedServer keeps values until it is restarted on its port", async () => {
  await using memcached = await startOwnMemcached();
  const { address, pid } = memcached;

  assertEquals(await ask(memcached, "set key 0 0 5\r\nvalue"), "STORED\r\n");
  assertEquals(await ask(memcached, "get key"), "VALUE key 0 5\r\nvalue\r\nEND\r\n");
  await memcached.restart();

  assertEquals(memcached.address, address);
  assertNotEquals(memcached.pid, pid);
  assertEquals(await ask(memcached, "get key"), "END\r\n");
});

test("MemcachedServer is gone after its dispose", async () => {
  const memcached = await startOwnMemcached();
  const pid = memcached.pid!;

  await memcached[Symbol.asyncDispose]();

  assert(!isAlive(pid));
  await assertRejects(() => ask(memcached, "get key"));
  await assertRejects(() => stat(memcached.folder));
});

test("startOwnMemcached starts several at once", async () => {
  const servers = await Promise.all([startOwnMemcached(), startOwnMemcached()]);
  const [one, two] = servers;

  await ask(one!, "set key 0 0 5\r\nvalue");
  assertEquals(await ask(two!, "get key"), "END\r\n");
  await Promise.all(servers.map((server) => server.stop()));
});

test("attachMemcached gives a server that can be used, but not killed", async () => {
  await using memcached = await startOwnMemcached();
  const attached = attachMemcached(memcached.address);

  assert(!attached.isOwn);
  assertEquals(await ask(attached, "get key"), "END\r\n");
  await assertRejects(() => attached.kill(), Error, "it was not started here");
});

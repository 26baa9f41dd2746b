import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConnectionClosed, ConnectionFailed, RequestRejected } from "@dq/dramatiq";
import { INTEGER_FLAGS, MemcachedConnection } from "../../../clients/memcached/connection.ts";
import { toExpiry } from "../../../clients/memcached/protocol.ts";
import { serverIndex } from "../../../clients/memcached/servers.ts";
import { testOwn } from "../../servers/own.ts";
import { exchange } from "../../support/servers/exchange.ts";
import { freePort } from "../../support/servers/free_port.ts";
import { type MemcachedServer, startOwnMemcached } from "../../support/servers/memcached.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { until } from "../../support/servers/until.ts";
import { after, test as realTest } from "../../support/test.ts";

const test = testOwn("memcached");
const server = test === realTest
  ? await startOwnMemcached()
  : undefined as unknown as MemcachedServer;
after(() => server?.stop());

const open = (servers: string | readonly string[] = server.address) => {
  const connection = new MemcachedConnection({ servers });
  return Object.assign(connection, { [Symbol.dispose]: () => connection.close() });
};
const newKey = () => crypto.randomUUID();
const bytes = (text: string) => new TextEncoder().encode(text);

/** Text by which memcached describes a key: `exp=-1` for never, else the second of its end. */
async function expiryOf(key: string): Promise<number> {
  const answer = await exchange(server, `mg ${key} t\r\n`, (received) => {
    return received.includes("\r\n") ? received.toString() : undefined;
  });
  return Number(/ t(-?\d+)/.exec(answer)?.[1]);
}

test("MemcachedConnection stores, reads and takes away, with flags", async () => {
  using connection = open();
  const key = newKey();
  assertEquals(await connection.get(key), undefined);
  await connection.set(key, "text");
  assertEquals((await connection.get(key))!.flags, 0);
  await connection.set(key, bytes("żółw"), { flags: INTEGER_FLAGS });
  const { value, flags } = (await connection.get(key))!;
  assertEquals([value.toString(), flags], ["żółw", INTEGER_FLAGS]);
  assertEquals([await connection.delete(key), await connection.delete(key)], [true, false]);
});

test("MemcachedConnection adds where nothing is, and counts what is there", async () => {
  using connection = open();
  const key = newKey();
  assertEquals(await connection.increment(key), undefined);
  assertEquals(await connection.decrement(key), undefined);
  const options = { flags: INTEGER_FLAGS, ttl: 60_000 };
  assertEquals(await connection.add(key, "9", options), true);
  assertEquals(await connection.add(key, "1", options), false);
  assertEquals([await connection.increment(key), await connection.increment(key, 90)], [10, 100]);
  assertEquals([await connection.decrement(key, 91), await connection.decrement(key, 99)], [9, 0]);
  assertEquals((await connection.get(key))!.flags, INTEGER_FLAGS);
  await connection.set(key, "text");
  await assertRejects(() => connection.increment(key), TypeError, "Non-numeric");
});

test("MemcachedConnection reads thousands of keys in one go", async () => {
  using connection = open();
  const keys = Array.from({ length: 3_000 }, (_, i) => `${newKey()}-${i}`);
  await Promise.all(keys.map((key, i) => i % 2 === 0 ? connection.set(key, key) : undefined));
  const items = await connection.getMany(keys);
  assertEquals(items.size, 1_500);
  for (const [key, { value }] of items) assertEquals(value.toString(), key);
  assertEquals((await connection.getMany([])).size, 0);
});

test("MemcachedConnection takes keys with blanks and beyond ASCII, of 250 bytes", async () => {
  using connection = open();
  for (const key of [`a b ${newKey()}`, `żółw ${newKey()}`, newKey().padEnd(250, "x")]) {
    await connection.set(key, "1");
    assertEquals((await connection.get(key))?.value.toString(), "1");
  }
  await assertRejects(() => connection.get("ż".repeat(126)), RangeError, "not 252");
  await assertRejects(() => connection.set("", "1"), RangeError, "Cannot use key");
});

test("MemcachedConnection rounds times up, and sends long ones as dates", async () => {
  using connection = open();
  const now = 1_700_000_000_000;
  const month = 30 * 86_400_000;
  assertEquals([1, 999, 1_000, 1_001].map((ttl) => toExpiry(ttl, now)), [1, 1, 1, 2]);
  assertEquals([month, month + 1].map((ttl) => toExpiry(ttl, now)), [
    2_592_000,
    1_700_000_000 + 2_592_001,
  ]);
  assertEquals([Infinity, Number.MAX_VALUE].map((ttl) => toExpiry(ttl, now)), [0, 2 ** 32 - 1]);
  for (const ttl of [1_500, 600_000, month, month + 1_000, 12 * month]) {
    const key = newKey();
    await connection.set(key, "1", { ttl });
    const left = await expiryOf(key);
    // Its clock ticks once a second, and so is up to that much behind ours.
    assert(Math.abs(left - ttl / 1_000) <= 5, `${ttl} ms: ${left} s`);
  }
  const forever = newKey();
  await connection.set(forever, "1");
  assertEquals(await expiryOf(forever), -1);
});

test("MemcachedConnection refuses what memcached refuses", async () => {
  using connection = open();
  const large = "x".repeat(2 * 1024 * 1024);
  await assertRejects(() => connection.set(newKey(), large), RequestRejected, "Too large");
  assertEquals(await connection.get(newKey()), undefined); // the connection is as good as before
});

test("MemcachedConnection spreads keys over several servers", async () => {
  await using other = await startOwnMemcached();
  using both = open([server.address, other.address]);
  using one = open(server.address);
  using two = open(other.address);
  const keys = Array.from({ length: 64 }, newKey);
  await Promise.all(keys.map((key) => both.set(key, key)));
  assertEquals((await both.getMany(keys)).size, 64);
  const [first, second] = [await one.getMany(keys), await two.getMany(keys)];
  assertEquals(first.size + second.size, 64);
  assert(first.size > 0 && second.size > 0);
});

test("MemcachedConnection fails at once where nobody listens", async () => {
  using connection = open(`127.0.0.1:${await freePort()}`);
  const error = await assertRejects(
    () => connection.get("key"),
    ConnectionFailed,
    "is unavailable",
  );
  assert(error.cause instanceof Error);
});

test("MemcachedConnection fails what was under way, and connects again", async () => {
  await using own = await startOwnMemcached();
  await using proxy = await startProxy(own);
  using connection = open(`127.0.0.1:${proxy.port}`);
  await connection.set("key", "1");
  proxy.freeze();
  const lost = [
    connection.get("key"),
    connection.getMany(["key", "other"]),
    connection.delete("x"),
  ];
  const outcomes = Promise.allSettled(lost);
  await proxy.cut();
  for (const outcome of await outcomes) {
    assert(outcome.status === "rejected" && outcome.reason instanceof ConnectionClosed);
  }
  proxy.thaw();
  assertEquals((await connection.get("key"))?.value.toString(), "1");
  await own.restart(); // while nothing is under way
  await until(async () => await connection.get("key") === undefined, { what: "connect again" });
  assertEquals(proxy.connections, 1);
});

test("MemcachedConnection gives up a server that does not answer", async () => {
  await using own = await startOwnMemcached();
  using connection = open(own.address);
  await connection.get("key");
  await own.pause();
  await assertRejects(() => connection.get("key"), ConnectionClosed, "does not answer");
  own.continue();
  assertEquals(await connection.get("key"), undefined);
});

test("MemcachedConnection gives up a connection that is never answered, or trickles, and makes another", async () => {
  await using proxy = await startProxy(server);
  using connection = open(`127.0.0.1:${proxy.port}`);
  for (const fault of [{ kind: "silent", answers: 0 }, { kind: "trickle" }] as const) {
    proxy.begin(fault);
    await assertRejects(() => connection.get("key"), Error, "does not answer");
    proxy.heal();
    assertEquals(await connection.get("key"), undefined);
  }
});

test("MemcachedConnection does nothing once it is closed", async () => {
  const connection = open();
  const underWay = [connection.get("key"), connection.set("key", "1")];
  connection.close();
  for (const outcome of await Promise.allSettled(underWay)) {
    assert(outcome.status === "rejected" && outcome.reason instanceof ConnectionClosed);
  }
  await assertRejects(() => connection.get("key"), ConnectionClosed, "the connection is closed");
});

test("MemcachedConnection takes names with and without ports only", () => {
  for (const servers of ["cache", "cache:11212", "[::1]:11211", ["10.0.0.1", "10.0.0.2:1"]]) {
    new MemcachedConnection({ servers });
  }
  for (const servers of ["", "tcp://cache", "user@cache", "/tmp/memcached.sock", "cache:x", []]) {
    assertThrows(() => new MemcachedConnection({ servers }), TypeError, "Cannot connect");
  }
});

test("MemcachedConnection chooses the server that libmemcached chooses", () => {
  // As pylibmc 1.6.3 with libmemcached 1.1.4 found what was stored here, and the other way round.
  const chosen = (key: string) => [1, 2, 3, 5, 7].map((count) => serverIndex(key, count));
  assertEquals(chosen("a"), [0, 0, 0, 2, 0]);
  assertEquals(chosen("2d6acff5958e5396f61503031533022b"), [0, 1, 1, 2, 6]);
  assertEquals(chosen("1f0fc9130667da919b9611587dab89ce"), [0, 1, 2, 2, 5]);
  assertEquals(chosen("zażółć"), [0, 1, 2, 0, 4]);
});

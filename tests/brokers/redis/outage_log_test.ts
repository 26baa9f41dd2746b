import { assert, assertEquals, assertMatch } from "@std/assert";
import { receiveCount, work } from "../../conformance/broker_messages.ts";
import { textOf, withLog } from "../../support/log.ts";
import { freePort } from "../../support/servers/free_port.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { startOwnRedis } from "../../support/servers/redis.ts";
import { assertOneOutage, outcomeOf } from "../outages/outage.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";
import { addUser } from "./users.ts";

const { test, server } = await startForFile({ appendonly: true });

const REDIS = { category: ["dramatiq", "redis"] };

test("RedisBroker logs an outage once when it starts and once when it ends, however long it takes", () =>
  withLog(REDIS, async (lines) => {
    await using proxy = await startProxy(server);
    await using fixture = new Fixture(server);
    const broker = fixture.open({ url: `redis://${proxy.host}:${proxy.port}` });
    const consumer = broker.consume("q", { prefetch: 10 });
    const receiving = receiveCount(consumer, 2);
    receiving.catch(() => {}); // It ends with the broker when the test fails.
    await broker.enqueue(work("q", 1));
    await server.kill();
    const sendings = Array.from({ length: 10 }, () => outcomeOf(broker.enqueue(work("q", 2))));
    const before = proxy.totalConnections;
    await eventually("try a few times", () => {
      return Promise.resolve(proxy.totalConnections >= before + 5);
    });
    assertEquals(lines.length, 1);
    await server.restart();
    await Promise.all(sendings);
    await broker.enqueue(work("q", 3));
    await receiving;
    await broker.close();
    assertOneOutage(lines, "Redis");
  }));

test("RedisBroker logs a Redis that is not there from the start, and why", () =>
  withLog(REDIS, async (lines) => {
    await using fixture = new Fixture(server);
    const port = await freePort();
    const broker = fixture.open({ url: `redis://127.0.0.1:${port}` });
    const sending = broker.enqueue(work("q", 1));
    sending.catch(() => {});
    await eventually("log it", () => Promise.resolve(lines.length > 0));
    assertMatch(textOf(lines[0]!), /ECONNREFUSED/);
    await using _late = await startOwnRedis({ port });
    await sending;
    await broker.close();
    assertOneOutage(lines, "Redis");
  }));

test("RedisBroker logs nothing when all goes well, its close included", () =>
  withLog(REDIS, async (lines) => {
    await using fixture = new Fixture(server);
    const broker = fixture.open();
    const consumer = broker.consume("q");
    await broker.enqueue(work("q", 1));
    await receiveCount(consumer, 1);
    await broker.close();
    await eventually("close its connections", async () => {
      const list = String(await server.command("CLIENT", "LIST")).trimEnd().split("\n");
      return list.length === 1;
    });
    assertEquals(lines.map(textOf), []);
  }));

test("RedisBroker shows no password in its log, nor in its errors", () =>
  withLog(REDIS, async (lines) => {
    await using own = await startOwnRedis({ password: "right" });
    await using fixture = new Fixture(own);
    const broker = fixture.open({ url: `redis://:s3cret@127.0.0.1:${own.port}` });
    const failure = await outcomeOf(broker.enqueue(work("q", 1)));
    await eventually("log it", () => Promise.resolve(lines.length > 0));
    await broker.close();
    assertEquals(lines.map(({ level }) => level), ["error"]);
    for (const text of [...lines.map(textOf), failure!.message]) {
      assert(/WRONGPASS|NOAUTH/.test(text), text);
      assert(!text.includes("s3cret"), text);
    }
  }));

test("RedisBroker logs a database that Redis does not have as what it is, and nothing before", () =>
  withLog(REDIS, async (lines) => {
    await using fixture = new Fixture(server);
    const broker = fixture.open({ url: `${server.url}/99` });
    await outcomeOf(broker.enqueue(work("q", 1)));
    await eventually("log it", () => Promise.resolve(lines.length > 0));
    await broker.close();
    assertEquals(lines.map(textOf), ["Lost connection to Redis: ERR DB index is out of range"]);
  }));

test("RedisBroker prints nothing for a user who may not ask for INFO", async () => {
  const { warn } = console;
  const printed: unknown[] = [];
  console.warn = (...args) => printed.push(args);
  try {
    await using fixture = new Fixture(server);
    const broker = fixture.open({ url: await addUser(server, "-info") });
    const receiving = broker.consume("q").receive(1);
    await broker.enqueue(work("q", 1));
    assertEquals((await receiving).length, 1);
    await broker.close();
  } finally {
    console.warn = warn;
  }
  assertEquals(printed, []);
});

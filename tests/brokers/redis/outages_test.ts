import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { actor, ConnectionFailed, Worker } from "@dq/dramatiq";
import { firstArgs, work } from "../../conformance/broker_messages.ts";
import { freePort } from "../../support/servers/free_port.ts";
import { startProxy, type TcpProxy } from "../../support/servers/proxy.ts";
import { startOwnRedis } from "../../support/servers/redis.ts";
import { outcomeOf } from "../outages/outage.ts";
import { Traffic } from "../outages/traffic.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile({ appendonly: true });

const urlOf = ({ host, port }: TcpProxy) => `redis://${host}:${port}`;

test("RedisBroker loses nothing over restarts of Redis, and goes on by itself", async () => {
  await using fixture = new Fixture(server);
  const [producer, consumer] = [fixture.open(), fixture.open()];
  const traffic = new Traffic("q", producer, consumer);
  await using worker = new Worker(consumer);
  await worker.start();
  for (let round = 0; round < 2; round++) {
    await traffic.send(20);
    await traffic.sendDuring(server.restart());
    await traffic.untilAllRan(round + 1);
  }
  await producer.join("q");
  await worker.stop();
  traffic.assertRuns(2);
});

test("RedisBroker loses nothing when all its connections are killed, and goes on by itself", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const traffic = new Traffic("q", broker);
  await using worker = new Worker(broker);
  await worker.start();
  const killAll = async () => {
    await server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await server.command("CLIENT", "KILL", "TYPE", "pubsub");
  };
  for (let round = 0; round < 5; round++) {
    const sending = traffic.send(50);
    await traffic.sendDuring(killAll());
    await sending;
  }
  await traffic.untilAllRan(5);
  await broker.join("q");
  await worker.stop();
  traffic.assertRuns(5);
});

test("RedisBroker goes on by itself after its connections were half-open", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = fixture.open({ url: urlOf(proxy) });
  const traffic = new Traffic("q", broker);
  await using worker = new Worker(broker);
  await worker.start();
  await traffic.send(20);
  await traffic.untilAllRan();

  proxy.freeze();
  await traffic.send(20); // does not hang
  proxy.thaw();

  await traffic.send(20);
  await traffic.untilAllRan(1);
  await fixture.open().join("q");
  await worker.stop();
  traffic.assertRuns(1);
});

test("RedisBroker.enqueue fails with the reason when Redis stays away, and then never happens", async () => {
  await using fixture = new Fixture(server);
  const port = await freePort();
  const broker = fixture.open({ url: `redis://127.0.0.1:${port}` });
  const connection = { sentinels: [{ host: "127.0.0.1", port }], name: "main" };
  const watched = outcomeOf(fixture.open({ connection }).enqueue(work("q", "lost")));
  await using proxy = await startProxy(server);
  proxy.freeze();
  const silent = fixture.open({ url: urlOf(proxy) });
  const unanswered = outcomeOf(silent.enqueue(work("q", "lost")));
  const failures = await Promise.all([
    outcomeOf(broker.enqueue(work("q", "lost"))),
    outcomeOf(broker.enqueueMany([work("q", "lost")], { delay: 1 })),
    outcomeOf(broker.getQueueMessageCounts("q")),
    outcomeOf(broker.flush("q")),
    outcomeOf(broker.join("q")),
  ]);
  for (const failure of failures) {
    assertInstanceOf(failure, ConnectionFailed);
    assertEquals((failure.cause as { code?: string }).code, "ECONNREFUSED");
    assert(failure.message.includes("ECONNREFUSED"), failure.message);
  }
  assertInstanceOf(await watched, ConnectionFailed);
  assertInstanceOf(await unanswered, ConnectionFailed);

  // After the reconnect it is not sent: its caller has given up.
  await using late = await startOwnRedis({ port });
  await broker.enqueue(work("q", "stored"));
  assertEquals(await late.command("LLEN", fixture.key("q")), 1);
  proxy.thaw();
  await silent.enqueue(work("q", "stored"));
  assertEquals(await fixture.firstArgs("q"), ["stored"]);
  await broker.close();
});

test("RedisBroker's consumers wait for a Redis that is not there yet", async () => {
  await using fixture = new Fixture(server);
  const port = await freePort();
  await using proxy = await startProxy({ host: "127.0.0.1", port });
  const broker = fixture.open({ url: urlOf(proxy) });
  const receiving = broker.consume("q").receive(1);
  const delayed = broker.consume("q.DQ").receive(1);
  await eventually("try a few times", () => Promise.resolve(proxy.totalConnections >= 4));
  await using _late = await startOwnRedis({ port });
  await broker.enqueue(work("q", "text"));
  await broker.enqueue(work("q", "late"), { delay: 1 });
  assertEquals(firstArgs(await receiving), ["text"]);
  assertEquals(firstArgs(await delayed), ["late"]);
  await broker.close();
});

test("RedisBroker.close and Worker.stop end while Redis is away, and leave what they had to others", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = fixture.open({ url: urlOf(proxy) });
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const wait = actor(() => {
    runs += 1;
    return gate.promise;
  }, { broker, queueName: "q", actorName: "wait" });
  await wait.sendMany([[], []]);
  await using worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await eventually("be at work", async () => {
    return runs === 1 && await fixture.held(broker.brokerId, "q") === 2;
  });
  proxy.refuse();
  await proxy.cut();
  gate.resolve();
  await worker.stop(100); // It would give acknowledgements as much time as actors.
  await broker.close();
  assertEquals(await fixture.held(broker.brokerId, "q"), 2);
  assert(await fixture.heartbeat(broker.brokerId) !== undefined);
});

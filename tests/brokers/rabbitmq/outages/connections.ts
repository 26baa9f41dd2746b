import { once } from "node:events";
import { createServer } from "node:net";
import { setImmediate as immediate, setTimeout as delay } from "node:timers/promises";
import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { actor, Worker } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { withEnvironment } from "../../../support/environment.ts";
import { linesOf, textOf } from "../../../support/log.ts";
import { freePort } from "../../../support/servers/free_port.ts";
import { startProxy, type TcpProxy } from "../../../support/servers/proxy.ts";
import { outcomeOf } from "../../outages/outage.ts";
import { Traffic } from "../../outages/traffic.ts";
import { eventually, type FileServer, Fixture, numbers } from "../fixture.ts";
import { firstArgOf } from "../inspector.ts";

/** Address of a proxy, for clients. */
export function urlOf({ host, port }: TcpProxy): string {
  return `amqp://guest:guest@${host}:${port}`;
}

const SOON = { dramatiq_restart_delay: "50" };

/** Connections that are cut, or go silent. */
export function connections(file: FileServer): void {
  const { test, server } = file;

  test("RabbitmqBroker confirms nothing that a cut connection has lost, and sends it again", async () => {
    await using fixture = new Fixture(file);
    await using proxy = await startProxy(server);
    const broker = fixture.open({ url: urlOf(proxy) });
    const { queueName } = fixture;
    await broker.enqueue(work(queueName, -1));
    for (let round = 0; round < 5; round++) {
      const from = round * 200;
      const sending = Promise.all(
        numbers(200).map((n) => broker.enqueue(work(queueName, from + n))),
      );
      const bytes = proxy.bytesToTarget;
      await eventually("be sending", () => proxy.bytesToTarget > bytes);
      await proxy.cut();
      await sending; // Not one of them fails: the server is there.
    }
    const stored = new Set((await fixture.inspector.takeAll(queueName)).map(firstArgOf));
    assertEquals(stored, new Set([-1, ...numbers(1_000)]));
  });

  test("RabbitmqBroker.enqueueMany sends again what was not confirmed when the connection was cut", async () => {
    await using fixture = new Fixture(file);
    await using proxy = await startProxy(server);
    const broker = fixture.open({ url: urlOf(proxy) });
    const { queueName } = fixture;
    await broker.enqueue(work(queueName, -1));
    const sending = broker.enqueueMany(numbers(5_000).map((n) => work(queueName, n)));
    const bytes = proxy.bytesToTarget;
    await eventually("be sending", () => proxy.bytesToTarget > bytes);
    await proxy.cut();
    await sending;
    const stored = new Set((await fixture.inspector.takeAll(queueName)).map(firstArgOf));
    assertEquals(stored.size, 5_001);
  });

  test("RabbitmqBroker keeps one dead letter of a message when the connection was cut before it was sent", () =>
    withEnvironment(SOON, async () => {
      await using fixture = new Fixture(file);
      await using proxy = await startProxy(server);
      const broker = fixture.open({ url: urlOf(proxy) });
      const { queueName } = fixture;
      const runs = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      let begun = 0;
      actor(async () => {
        await runs[begun++]!.promise;
        throw new Error("It fails");
      }, { broker, queueName, actorName: "work", maxRetries: 0 });
      await broker.enqueue(work(queueName, 1));
      await using worker = new Worker(broker);
      await worker.start();
      await eventually("run it", () => begun === 1);
      proxy.freeze();
      const bytes = proxy.bytesToTarget;
      runs[0]!.resolve();
      await fixture.open().enqueue(work(`${queueName}_2`, 0)); // a round trip
      assertEquals(proxy.bytesToTarget, bytes);
      await proxy.cut();
      proxy.thaw();
      await eventually("run it again", () => begun === 2);
      runs[1]!.resolve();
      await fixture.untilCounts("", 0);
      await worker.stop();
      assertEquals(await fixture.inspector.firstArgs(`${queueName}.XQ`), [1]);
      await fixture.inspector.delete(`${queueName}_2`, `${queueName}_2.DQ`, `${queueName}_2.XQ`);
    }));

  test("Worker loses nothing when its connections are cut again and again", () =>
    withEnvironment(SOON, async () => {
      await using fixture = new Fixture(file);
      await using proxy = await startProxy(server);
      const broker = fixture.open({ url: urlOf(proxy) });
      const traffic = new Traffic(fixture.queueName, broker);
      await using worker = new Worker(broker);
      await worker.start();
      for (let round = 0; round < 5; round++) {
        await traffic.sendDuring(proxy.cut());
        await traffic.send(20);
      }
      await traffic.untilAllRan(5);
      await fixture.open().join(fixture.queueName);
      await worker.stop();
      traffic.assertRuns(5);
    }));

  test("RabbitmqBroker notices by heartbeats that a connection is half-open, and goes on over a new one", () =>
    withEnvironment(SOON, async () => {
      await using fixture = new Fixture(file);
      await using proxy = await startProxy(server);
      const broker = fixture.open({ url: urlOf(proxy), heartbeat: 1_000, connectionTimeout: 500 });
      const traffic = new Traffic(fixture.queueName, broker);
      await using worker = new Worker(broker);
      await worker.start();
      await traffic.send(20);
      await traffic.untilAllRan();

      proxy.freeze();
      const before = proxy.totalConnections;
      const sending = traffic.send(20);
      await eventually("try to connect again", () => proxy.totalConnections >= before + 2);
      await eventually("be known to be silent", () => broker.silentFor > 1_000);
      proxy.thaw();
      await sending;

      await eventually("be heard again", () => broker.silentFor === 0);
      await traffic.send(20);
      await traffic.untilAllRan(1);
      await fixture.open().join(fixture.queueName);
      await worker.stop();
      traffic.assertRuns(1);
    }));

  for (const kind of ["silent", "trickle"] as const) {
    test(`RabbitmqBroker connects again when a connection goes over to ${kind}`, async () => {
      await using fixture = new Fixture(file);
      await using proxy = await startProxy(server);
      const broker = fixture.open({ url: urlOf(proxy), heartbeat: 2_000 });
      await broker.enqueue(work(fixture.queueName, 1));
      const lines = await linesOf({ category: ["dramatiq", "rabbitmq"] }, async () => {
        const again = proxy.nextConnection();
        proxy.begin(kind === "silent" ? { kind, answers: 0 } : { kind });
        await again;
        proxy.heal();
        await broker.enqueue(work(fixture.queueName, 2));
      });
      // RabbitMQ would end it, too, but later.
      assertMatch(
        lines.map(textOf).join(),
        /^Lost connection to RabbitMQ: the server has been silent/,
      );
      await fixture.untilCounts("", 2);
    });
  }

  test("RabbitmqBroker keeps its connection when the event loop stood still", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ heartbeat: 2_000 });
    await broker.enqueue(work(fixture.queueName, 1));
    const lines = await linesOf({ category: ["dramatiq", "rabbitmq"] }, async () => {
      await delay(500); // until what was read is noted
      await immediate(); // from here timers fire before sockets are read
      const end = performance.now() + 2_700; // RabbitMQ takes that from a client, for once
      while (performance.now() < end);
      await delay(500);
      await broker.enqueue(work(fixture.queueName, 2));
    });
    assertEquals(lines.map(textOf), []);
  });

  test("RabbitmqBroker leaves no connection behind that was never answered", async () => {
    await using fixture = new Fixture(file);
    const [host, port] = ["127.0.0.1", await freePort()];
    let accepted = 0;
    let ended = 0;
    const silent = createServer((socket) => {
      accepted += 1;
      socket.on("error", () => {}).on("data", () => {}).on("close", () => ended += 1);
    });
    silent.listen(port, host);
    await once(silent, "listening");
    const url = `amqp://guest:guest@${host}:${port}`;
    const broker = fixture.open({ url, connectionTimeout: 100 });
    const sending = outcomeOf(broker.enqueue(work(fixture.queueName, 1)));
    await eventually("try again, and end what came before", () => accepted >= 4 && ended >= 3);
    await broker.close();
    await sending;
    silent.close();
    await once(silent, "close");
  });

  test("RabbitmqBroker stays connected while nothing is said but heartbeats", async () => {
    await using fixture = new Fixture(file);
    await using proxy = await startProxy(server);
    const broker = fixture.open({ url: urlOf(proxy), heartbeat: 1_000 });
    const traffic = new Traffic(fixture.queueName, broker);
    await using worker = new Worker(broker);
    await worker.start();
    await traffic.send(5);
    await traffic.untilAllRan();
    const [before, bytes] = [proxy.totalConnections, proxy.bytesToClients];
    // Two intervals without any would end a connection; a heartbeat has eight bytes.
    await eventually("hear some heartbeats", () => proxy.bytesToClients > bytes + 8 * 8);
    await traffic.send(5);
    await traffic.untilAllRan();
    assertEquals(proxy.totalConnections, before);
    await worker.stop();
  });

  test("RabbitmqBroker.close and Worker.stop end while RabbitMQ cannot be reached", async () => {
    await using fixture = new Fixture(file);
    await using proxy = await startProxy(server);
    const broker = fixture.open({ url: urlOf(proxy) });
    const traffic = new Traffic(fixture.queueName, broker);
    await using worker = new Worker(broker);
    await worker.start();
    await traffic.send(5);
    await traffic.untilAllRan();
    proxy.refuse();
    await proxy.cut();
    const sending = traffic.send(1);
    await worker.stop(100);
    await broker.close();
    await sending; // It is refused, or was never begun.
    assertGreater(traffic.confirmed.length, 4);
  });

  test("Worker runs a message once more whose acknowledgement was cut off, and no other one", () =>
    withEnvironment(SOON, async () => {
      await using fixture = new Fixture(file);
      await using proxy = await startProxy(server);
      const broker = fixture.open({ url: urlOf(proxy), heartbeat: 0 });
      const { queueName } = fixture;
      const ran: number[] = [];
      const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const acknowledged: unknown[] = [];
      broker.addMiddleware({
        afterAck: (_broker, message) => void acknowledged.push(message.args[0]),
      });
      const work = actor(async (n: number) => {
        ran.push(n);
        await ends[n]?.promise;
      }, { broker, queueName, actorName: "work" });
      await using worker = new Worker(broker, { concurrency: 2 });
      await worker.start();
      await work.sendMany([[0], [1], [2]]);
      await eventually("run two", () => ran.length === 2);
      await fixture.untilCounts("", 0, 3);
      proxy.freeze();
      ends[0]!.resolve();
      await eventually("acknowledge one, and run the next", () => acknowledged.includes(2));
      await proxy.cut(); // with the acknowledgements of 0 and 2
      proxy.thaw();
      ends[1]!.resolve(); // of a channel that is gone
      await eventually("run all once more", () => ran.length === 6);
      await fixture.open().join(queueName);
      assertEquals(ran.toSorted(), [0, 0, 1, 1, 2, 2]);
      await worker.stop();
      await fixture.untilCounts("", 0, 0);
    }));
}

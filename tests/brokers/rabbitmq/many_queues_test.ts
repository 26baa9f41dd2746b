/**
 * More consumers than RabbitMQ allows channels: they share them.
 *
 * @module
 */
import { assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import { actor, ConnectionClosed, type RabbitmqBroker, Worker } from "@dq/dramatiq";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { withEnvironment } from "../../support/environment.ts";
import { textOf, withLog } from "../../support/log.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { until } from "../../support/servers/until.ts";
import { testLong } from "../../servers/own.ts";
import { eventually, Fixture, numbers, startForFile } from "./fixture.ts";
import { withChannel } from "./inspector.ts";

const file = await startForFile({}, testLong("rabbitmq-server"));
const { test, console, server } = file;

/** A consumer that fails again for the same reason is logged at debug. */
const EACH_ATTEMPT = { category: ["dramatiq"], lowestLevel: "debug" } as const;

/** Runs something while new connections get so many channels. */
async function withChannelMax(channelMax: number, run: () => Promise<void>): Promise<void> {
  await console.evaluate(`application:set_env(rabbit, channel_max, ${channelMax}).`);
  try {
    await run();
  } finally {
    await console.evaluate("application:set_env(rabbit, channel_max, 2047).");
  }
}

/** Makes queues as the library does, many at the same time: one after the other takes a minute. */
async function declareMany(prefix: string, count: number): Promise<void> {
  await console.evaluate(`
    Declare = fun(Name, Args) ->
      rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, Name), true, false, Args, none, <<"guest">>)
    end,
    DeclareAll = fun(I) ->
      Name = list_to_binary("${prefix}" ++ integer_to_list(I)),
      Args = [{<<"x-dead-letter-exchange">>, longstr, <<>>},
        {<<"x-dead-letter-routing-key">>, longstr, <<Name/binary, ".XQ">>}],
      Declare(Name, Args),
      Declare(<<Name/binary, ".DQ">>, Args),
      Declare(<<Name/binary, ".XQ">>, [{<<"x-message-ttl">>, signedint, 604800000}])
    end,
    Self = self(),
    [spawn(fun() -> [DeclareAll(I) || I <- lists:seq(P, ${count - 1}, 20)], Self ! done end) ||
      P <- lists:seq(0, 19)],
    [receive done -> ok end || _ <- lists:seq(0, 19)],
    1.`);
}

/** Declares an actor for each queue that notes what it runs. */
function noteOn(broker: RabbitmqBroker, names: readonly string[], ran: string[]) {
  return names.map((queueName) =>
    actor((n: number) => void ran.push(`${queueName} ${n}`), {
      ...{ broker, queueName, actorName: queueName, timeLimit: 60_000 },
    })
  );
}

/** Their consumers, two for each, are more than the most channels that RabbitMQ allows by default. */
const MANY = 1_100;
const manyNames = numbers(MANY).map((n) => `many.${n}`);
if (server !== undefined) await declareMany("many.", MANY);

/**
 * With as many queues, even RabbitMQ takes seconds, and far more on a busy machine. It lists all
 * consumers at each look.
 */
const eventuallyAll = (what: string, condition: () => boolean | Promise<boolean>) =>
  until(async () => await condition(), { what, timeout: 240_000, interval: 100 });

for (const channelMax of [100, 2_047]) {
  test(
    `Worker serves 1,100 queues with a channel_max of ${channelMax}, and then rests`,
    () =>
      withLog({ category: ["dramatiq"] }, (lines) =>
        withChannelMax(channelMax, async () => {
          await using fixture = new Fixture(file);
          await using proxy = await startProxy(server);
          const broker = fixture.open({ url: `amqp://guest:guest@127.0.0.1:${proxy.port}` });
          const ran: string[] = [];
          const actors = noteOn(broker, manyNames, ran);
          await using worker = new Worker(broker, { queues: manyNames });
          await worker.start();
          await Promise.all(actors.map((one) => one.send(1)));
          await eventuallyAll("run one of each queue", () => ran.length === MANY);
          assertEquals(await console.countConnections(), 2);
          await eventuallyAll(
            "listen to all",
            async () => (await console.consumers()).length >= 2 * MANY,
          );

          const bytes = proxy.bytesToClients;
          await Promise.all(
            actors.slice(-20).map((one) => one.sendWithOptions({ args: [2], delay: 1 })),
          );
          await eventually("run the delayed ones", () => ran.length === MANY + 20);
          assertLess(proxy.bytesToClients - bytes, 50_000); // a few hundred bytes a message
          assertEquals(new Set(ran).size, MANY + 20);
          await eventually("rest", async () => {
            const before = proxy.bytesToTarget;
            await console.countConnections();
            return proxy.bytesToTarget - before <= 200; // heartbeats of two connections
          });
          await worker.stop();
          const serious = lines.filter(({ level }) => level === "warning" || level === "error");
          assertEquals(serious.map(textOf), []);
        })),
  );
}

test("RabbitmqBroker settles what several consumers of one channel got, each exactly once", () =>
  withChannelMax(2, async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ deadMessageTtl: 60_000 });
    const names = numbers(5).map((n) => `${fixture.queueName}.${n}`);
    const ran: string[] = [];
    for (const queueName of names) {
      const fickle = actor(async (n: number) => {
        for (let turn = 0; turn < n % 4; turn++) await new Promise((r) => setTimeout(r));
        ran.push(`${queueName} ${n}`);
        if (n % 10 === 0) throw new Error("dead");
      }, { broker, queueName, actorName: queueName, maxRetries: 0 });
      await fickle.sendMany(numbers(300).map((n) => [n]));
    }
    await using worker = new Worker(broker, { concurrency: 7 });
    await worker.start();
    for (const queueName of names) await broker.join(queueName);
    await worker.join();
    assertEquals([ran.length, new Set(ran).size], [1_500, 1_500]);
    for (const [i, queueName] of names.entries()) {
      assertEquals(await broker.getQueueMessageCounts(queueName), {
        ready: 0,
        delayed: 0,
        dead: 30,
      });
      assertEquals((await fixture.counts(`.${i}`)).unacknowledged, 0);
    }
    await worker.stop();
  }));

test("RabbitmqBroker's consumer gives back its own messages, not those of others on its channel", () =>
  withChannelMax(2, async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const names = ["a", "b"].map((name) => `${fixture.queueName}.${name}`);
    for (const name of names) {
      await broker.enqueueMany(numbers(4).map((n) => work(name, n)));
    }
    const consumers = names.map((name) => broker.consume(name, { prefetch: 3 }));
    const [ofA, ofB] = [
      await receiveCount(consumers[0]!, 2),
      await receiveCount(consumers[1]!, 3),
    ];
    await consumers[0]!.ack([ofA[1]!]);
    await consumers[0]!.close();
    assertEquals(await fixture.counts(".a"), { ready: 3, unacknowledged: 0, consumers: 0 });
    assertEquals((await fixture.counts(".b")).unacknowledged, 3);
    await consumers[1]!.ack(ofB);
    assertEquals((await receiveOne(consumers[1]!)).args, [3]);
    await using again = broker.consume(names[0]!, { prefetch: 3 });
    assertEquals(firstArgs(await receiveCount(again, 3)), [0, 2, 3]);
  }));

test("RabbitmqBroker's consumer whose queue is deleted leaves others on its channel alone", () =>
  withChannelMax(2, async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const names = ["a", "b"].map((name) => `${fixture.queueName}.${name}`);
    for (const name of names) await broker.enqueueMany([work(name, 1), work(name, 2)]);
    const [a, b] = names.map((name) => broker.consume(name, { prefetch: 1 }));
    const [ofA, ofB] = [await receiveOne(a!), await receiveOne(b!)];
    const failure = assertRejects(() => a!.receive(1), ConnectionClosed, names[0]);
    await fixture.inspector.delete(names[0]!);
    await failure;
    await assertRejects(() => a!.ack([ofA]), ConnectionClosed);
    assertEquals([a!.isLost, b!.isLost], [true, false]);
    await b!.ack([ofB]);
    assertEquals((await receiveOne(b!)).args, [2]);
  }));

test("Worker goes on with all queues that it can, when one of those on a channel cannot be consumed", () =>
  withEnvironment(
    { dramatiq_restart_delay: "50" },
    () =>
      withLog(EACH_ATTEMPT, (lines) =>
        withChannelMax(12, async () => {
          await using fixture = new Fixture(file);
          const broker = fixture.open();
          const names = numbers(40).map((n) => `${fixture.queueName}.${n}`);
          const taken = names[20]!;
          const ran: string[] = [];
          const release = Promise.withResolvers<void>();
          const actors = names.map((queueName) =>
            actor(async (n: number) => {
              ran.push(`${queueName} ${n}`);
              if (n === 2) await release.promise;
            }, { broker, queueName, actorName: queueName })
          );
          for (const one of actors) await one.send(1); // declares them
          await withChannel(server.url, async (channel) => {
            await channel.consume(taken, () => {}, { exclusive: true });
            await using worker = new Worker(broker, { concurrency: 50 });
            await worker.start();
            await eventually("run those of all others", () => ran.length === 39);
            const refused = () => lines.filter((line) => textOf(line).includes("ACCESS_REFUSED"));
            await eventually("be refused", () => refused().length > 0);
            await Promise.all(actors.map((one) => one.send(2)));
            await eventually("begin those of all others", () => ran.length === 78);
            const before = refused().length;
            await eventually("try the other one again", () => refused().length >= before + 3);
            release.resolve(); // what runs has not lost its channel meanwhile
            await worker.join();
            assertEquals([ran.length, new Set(ran).size], [78, 78]);
            assertEquals(ran.filter((one) => one.startsWith(`${taken} `)), []);
            const others = lines.filter(({ level }) => level === "error").map(textOf)
              .filter((text) => !text.includes(taken));
            assertEquals(others, []);
            await worker.stop();
          });
        })),
  ));

test("RabbitmqBroker's consumer does not fail with another one that is refused on its channel", () =>
  withChannelMax(2, async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const [taken, free] = ["taken", "free"].map((name) => `${fixture.queueName}.${name}`);
    for (const name of [taken!, free!]) { // which declares them, so that both are asked for at once
      await broker.enqueue(work(name, 1));
      await using consumer = broker.consume(name);
      await consumer.ack([await receiveOne(consumer)]);
    }
    await withChannel(server.url, async (channel) => {
      await channel.consume(taken!, () => {}, { exclusive: true });
      await using refused = broker.consume(taken!);
      await using other = broker.consume(free!);
      const receiving = receiveOne(other); // opens the channel, on which the other one asks first
      const failure = await assertRejects(() => refused.receive(1), ConnectionClosed);
      assertStringIncludes(failure.message, "ACCESS_REFUSED");
      await broker.enqueue(work(free!, 2));
      const message = await receiving;
      assertEquals([message.args, other.isLost], [[2], false]);
      await other.ack([message]);
    });
  }));

test("RabbitmqBroker's consumers that begin at the same time share the channels that there are", () =>
  withChannelMax(2, async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const names = numbers(8).map((n) => `${fixture.queueName}.${n}`);
    const receiveAll = async () => {
      const consumers = names.map((name) => fixture.use(broker.consume(name)));
      const messages = await Promise.all(consumers.map(receiveOne));
      for (const [i, consumer] of consumers.entries()) await consumer.ack([messages[i]!]);
      for (const consumer of consumers) await consumer.close();
      return firstArgs(messages);
    };
    for (const round of [1, 2]) { // the second time nothing is left to be declared
      for (const name of names) await broker.enqueue(work(name, round));
      assertEquals(await receiveAll(), names.map(() => round));
    }
  }));

test("RabbitmqBroker has channels left to look at dead letters, however many queues it consumes", () =>
  withChannelMax(12, async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const names = numbers(20).map((n) => `${fixture.queueName}.${n}`);
    const ran: string[] = [];
    const actors = noteOn(broker, names, ran);
    await using worker = new Worker(broker);
    await worker.start();
    await Promise.all(actors.map((one) => one.send(1)));
    await eventually("run all", () => ran.length === 20);
    await eventually("listen to all", async () => (await console.consumers()).length >= 40);
    for await (const dead of broker.deadLetters(names[0]!)) throw new Error(`${dead.message}`);
    await worker.stop();
  }));

test("RabbitmqBroker's consumers that share a channel come back together when it is cut", () =>
  withEnvironment({ dramatiq_restart_delay: "50" }, () =>
    withChannelMax(4, async () => {
      await using fixture = new Fixture(file);
      await using proxy = await startProxy(server);
      const broker = fixture.open({ url: `amqp://guest:guest@127.0.0.1:${proxy.port}` });
      const names = numbers(12).map((n) => `${fixture.queueName}.${n}`);
      const ran: string[] = [];
      const actors = noteOn(broker, names, ran);
      await using worker = new Worker(broker);
      await worker.start();
      for (let round = 0; round < 3; round++) {
        await Promise.all(actors.map((one) => one.send(round)));
        await eventually("run all", () => new Set(ran).size === 12 * (round + 1));
        await proxy.cut();
      }
      await worker.stop();
    })));

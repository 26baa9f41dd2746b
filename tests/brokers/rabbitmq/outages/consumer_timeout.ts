import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { actor, ConnectionClosed, Worker } from "@dq/dramatiq";
import { receiveOne, work } from "../../../conformance/broker_messages.ts";
import { withEnvironment } from "../../../support/environment.ts";
import { testLong } from "../../../servers/own.ts";
import { textOf, withLog } from "../../../support/log.ts";
import { pause, systemClock } from "../../../../platform/clock.ts";
import { eventually, type FileServer, Fixture, numbers } from "../fixture.ts";

const RABBITMQ = { category: ["dramatiq", "rabbitmq"] };

/** Number of times RabbitMQ looks for consumers that take too long. */
const HASTE = { channel_tick_interval: 200 };

/** Consumers that hold messages for longer than the server allows. */
export function consumerTimeout(file: FileServer): void {
  const { console } = file;
  const test = testLong("rabbitmq-server");

  /** Has channels that are opened meanwhile time out soon. */
  async function inHaste(run: () => Promise<void>, consumer_timeout = 500): Promise<void> {
    const settings = Object.entries({ ...HASTE, consumer_timeout });
    for (const [name, value] of settings) {
      await console.evaluate(`application:set_env(rabbit, ${name}, ${value}).`);
    }
    try {
      await run();
    } finally {
      await console.evaluate(
        "application:set_env(rabbit, channel_tick_interval, 60000), " +
          "application:set_env(rabbit, consumer_timeout, 1800000).",
      );
    }
  }

  test("RabbitmqBroker's consumer fails when the server's consumer timeout is over, and says so", () =>
    inHaste(async () => {
      await using fixture = new Fixture(file);
      const broker = fixture.open();
      await broker.enqueue(work(fixture.queueName, 1));
      const consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      const message = await receiveOne(consumer);
      const failure = await assertRejects(() => consumer.receive(1), ConnectionClosed);
      assert(/timed out.*500 ms/.test(failure.message), failure.message);
      assertEquals(consumer.isLost, true);
      await assertRejects(() => consumer.ack([message]), ConnectionClosed);
      await consumer.close();
      const again = await receiveOne(broker.consume(fixture.queueName));
      assertEquals(again.args, [1]);
    }));

  test("Worker goes on after the consumer timeout, runs the message again, and logs why", () =>
    withEnvironment(
      { dramatiq_restart_delay: "50" },
      () =>
        withLog(RABBITMQ, (lines) =>
          inHaste(async () => {
            await using fixture = new Fixture(file);
            const broker = fixture.open();
            const ran: string[] = [];
            let isFirst = true;
            const slow = actor(async (text: string) => {
              ran.push(text);
              if (!isFirst) return;
              isFirst = false;
              // Until the server has timed them out.
              await eventually("run it again", () => ran.length > 1);
            }, { broker, queueName: fixture.queueName, actorName: "slow" });
            await using worker = new Worker(broker);
            await worker.start();
            await slow.send("slow");
            await eventually("run it twice", () => ran.length === 2);
            await slow.send("next");
            await eventually("run the next", () => ran.includes("next"));
            await broker.join(fixture.queueName);
            const told = lines.map(textOf).filter((text) => text.includes("timed out"));
            assert(told.length <= 1, told.join("\n"));
            await worker.stop();
          })),
    ));

  test("Worker is not timed out because of delayed messages, however far away", () =>
    inHaste(async () => {
      await using fixture = new Fixture(file);
      const broker = fixture.open();
      const late = actor(() => {}, { broker, queueName: fixture.queueName, actorName: "late" });
      await using worker = new Worker(broker);
      await worker.start();
      for (const delay of [20_000, 60_000, 86_400_000]) await late.sendWithOptions({ delay });
      await fixture.untilCounts(".DQ", 0, 0);
      const { delayed } = await broker.getQueueMessageCounts(fixture.queueName);
      // On a machine so busy that even moving takes too long, it is done again.
      assertGreaterOrEqual(delayed, 3);
      await worker.stop();
    }));

  test("Worker is not timed out because of messages that only wait for a slot, on many queues", () =>
    withLog({ category: ["dramatiq"] }, (lines) =>
      inHaste(async () => {
        await using fixture = new Fixture(file);
        const broker = fixture.open({ consumerTimeout: 4_000 });
        const names = numbers(6).map((n) => `${fixture.queueName}.${n}`);
        const ran: string[] = [];
        for (const queueName of names) {
          const slow = actor(async (n: number) => {
            ran.push(`${queueName} ${n}`);
            await pause(systemClock, 800);
          }, { broker, queueName, actorName: queueName, timeLimit: 3_000 });
          await slow.sendMany(numbers(8).map((n) => [n]));
        }
        await using worker = new Worker(broker, { concurrency: 4, queues: names });
        await worker.start();
        for (const queueName of names) await broker.join(queueName);
        await worker.stop();
        const all = names.flatMap((name) => numbers(8).map((n) => `${name} ${n}`));
        assertEquals(ran.toSorted(), all.toSorted());
        assertEquals(lines.filter(({ level }) => level !== "info" && level !== "debug"), []);
      }, 4_000)));
}

import { assertEquals } from "@std/assert";
import { Worker } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { withEnvironment } from "../../../support/environment.ts";
import { testLong } from "../../../servers/own.ts";
import { Traffic } from "../../outages/traffic.ts";
import { type FileServer, Fixture, numbers } from "../fixture.ts";

const SOON = { dramatiq_restart_delay: "50" };

/** RabbitMQ goes and comes back. These come last: they take the console's node away. */
export function restarts(file: FileServer): void {
  const { server } = file;
  const test = testLong("rabbitmq-server");

  test("RabbitmqBroker loses nothing when RabbitMQ is stopped and started, and goes on by itself", () =>
    withEnvironment(SOON, async () => {
      await using fixture = new Fixture(file);
      const [producer, consumer] = [fixture.open(), fixture.open()];
      const traffic = new Traffic(fixture.queueName, producer, consumer);
      await using worker = new Worker(consumer);
      await worker.start();
      await traffic.send(20);
      const restart = async () => {
        await server.stopApp();
        await server.startApp();
      };
      await traffic.sendDuring(restart());
      await traffic.untilAllRan(1);
      await producer.join(fixture.queueName);
      await worker.stop();
      traffic.assertRuns(1);
    }));

  test("RabbitmqBroker loses nothing that was confirmed when RabbitMQ is killed", () =>
    withEnvironment(SOON, async () => {
      await using fixture = new Fixture(file);
      const broker = fixture.open();
      const traffic = new Traffic(fixture.queueName, broker);
      await broker.enqueueMany(numbers(500).map((n) => work(fixture.queueName, n)), {
        delay: 3_600_000,
      });
      await traffic.send(500);
      await using worker = new Worker(broker);
      await worker.start();
      await traffic.sendDuring(server.restart());
      await traffic.untilAllRan(1);
      await fixture.untilCounts(".DQ", 0, 0);
      assertEquals((await broker.getQueueMessageCounts(fixture.queueName)).delayed, 500);
      await worker.stop();
    }));
}

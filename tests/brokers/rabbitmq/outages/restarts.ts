import { assertEquals } from "@std/assert";
import { Worker } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { withEnvironment } from "../../../support/environment.ts";
import { Traffic } from "../../outages/traffic.ts";
import { type FileServer, numbers, Stage } from "../stage.ts";

const SOON = { dramatiq_restart_delay: "50" };

/** RabbitMQ goes and comes back. These come last: they take the console's node away. */
export function restarts(file: FileServer): void {
  const { test, server } = file;

  test("RabbitmqBroker loses nothing when RabbitMQ is stopped and started, and goes on by itself", () =>
    withEnvironment(SOON, async () => {
      await using stage = new Stage(file);
      const [producer, consumer] = [stage.open(), stage.open()];
      const traffic = new Traffic(stage.queueName, producer, consumer);
      await using worker = new Worker(consumer);
      await worker.start();
      await traffic.send(20);
      const restart = async () => {
        await server.stopApp();
        await server.startApp();
      };
      await traffic.sendDuring(restart());
      await traffic.untilAllRan(1);
      await producer.join(stage.queueName);
      await worker.stop();
      traffic.assertRuns(1);
    }));

  test("RabbitmqBroker loses nothing that was confirmed when RabbitMQ is killed", () =>
    withEnvironment(SOON, async () => {
      await using stage = new Stage(file);
      const broker = stage.open();
      const traffic = new Traffic(stage.queueName, broker);
      await broker.enqueueMany(numbers(500).map((n) => work(stage.queueName, n)), {
        delay: 3_600_000,
      });
      await traffic.send(500);
      await using worker = new Worker(broker);
      await worker.start();
      await traffic.sendDuring(server.restart());
      await traffic.untilAllRan(1);
      await stage.untilCounts(".DQ", 0, 0);
      assertEquals((await broker.getQueueMessageCounts(stage.queueName)).delayed, 500);
      await worker.stop();
    }));
}

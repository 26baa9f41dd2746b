import { assertEquals, assertRejects } from "@std/assert";
import { actor, ConnectionClosed, RabbitmqBroker, Worker } from "@dq/dramatiq";
import { receiveOne } from "../../../conformance/broker_messages.ts";
import { linesOf, textOf } from "../../../support/log.ts";
import { eventually } from "../fixture.ts";
import { type ClusterFile, openAtHome, work } from "./fixture.ts";

/** Classic queues, each of which is on one node. */
export function classic(file: ClusterFile): void {
  const { test, target } = file;

  test("RabbitmqBroker sends to a queue whose delay queue and dead letters are away", async () => {
    const queueName = "classic";
    {
      await using elsewhere = new RabbitmqBroker({ url: target.server.url });
      await elsewhere.getQueueMessageCounts(queueName);
      await file.home.server.ctl("delete_queue", queueName);
    }
    {
      await using broker = openAtHome(file, {});
      await broker.enqueue(work(queueName, 1)); // declared at home
    }
    await target.server.stopApp();
    for (const suffix of [".DQ", ".XQ"]) {
      await file.cluster.untilAway(file.console, queueName + suffix);
    }
    await using broker = openAtHome(file, {});
    const lines = await linesOf({ category: ["dramatiq", "rabbitmq"] }, async () => {
      await broker.enqueue(work(queueName, 2));
      await broker.enqueue(work(queueName, 3));
    });
    assertEquals(lines.map(textOf), []);
    await assertRejects(
      () => broker.enqueue(work(queueName, 4), { delay: 1_000 }),
      ConnectionClosed,
      `${queueName}.DQ`,
    );
    await using consumer = broker.consume(queueName);
    assertEquals((await receiveOne(consumer)).args, [1]);
  });

  test("Worker puts delayed messages of a classic queue on rungs while all other nodes are away", async () => {
    const queueName = "alone";
    await using broker = openAtHome(file, {});
    const far = actor(() => {}, { broker, queueName, actorName: "far" });
    await using worker = new Worker(broker);
    await worker.start();
    const sendFar = async (onRung: number) => {
      await far.sendWithOptions({ delay: 3_600_000 });
      await eventually("put it on a rung", async () => {
        return (await file.console.counts()).get(`${queueName}.DQ.q1024`)?.ready === onRung;
      });
    };
    await sendFar(1);
    for (const { server } of file.cluster.nodes) {
      if (server !== file.home.server) await server.stopApp();
    }
    await sendFar(2);
    await worker.stop();
  });
}

import { assertEquals, assertLess } from "@std/assert";
import { textOf, withLog } from "../../../support/log.ts";
import { type ClusterFile, declareOnTarget, openAtHome, work } from "./fixture.ts";

const QUORUM = { queueType: "quorum" } as const;
/** Enough that the first messages of most come before there is another leader. */
const QUEUES = Array.from({ length: 6 }, (_, i) => `refused_${i}`);

/** Sending to quorum queues while a node is away. */
export function publishing(file: ClusterFile): void {
  const { test, target } = file;

  test("Publisher sends on another channel what RabbitMQ refuses without its leader", async () => {
    await declareOnTarget(file, QUORUM, ...QUEUES);
    await using broker = openAtHome(file, QUORUM);
    for (const queueName of QUEUES) await broker.getQueueMessageCounts(queueName);
    await withLog({ category: ["dramatiq", "rabbitmq"] }, async (lines) => {
      const killed = target.server.kill();
      const begun = performance.now();
      for (let round = 0; round < 20; round++) {
        await Promise.all(QUEUES.map((queueName) => broker.enqueue(work(queueName, round))));
      }
      // Without another channel it would fail for as long as the node is away.
      assertLess(performance.now() - begun, 20_000);
      await killed;
      const texts = lines.map(textOf);
      const told = (text: string) => texts.filter((line) => line.startsWith(text)).length;
      assertEquals(told("RabbitMQ refuses messages to queue"), 1, texts.join("\n"));
      assertEquals(told("RabbitMQ accepts messages to queue"), 1, texts.join("\n"));
      assertEquals(texts.length, 2, texts.join("\n"));
    });
  });

  test("Publisher leaves a channel on which RabbitMQ confirms nothing, for other queues", async () => {
    await declareOnTarget(file, QUORUM, ...QUEUES);
    await using broker = openAtHome(file, QUORUM);
    for (const queueName of [...QUEUES, "well"]) await broker.getQueueMessageCounts(queueName);
    await target.server.pause();
    // The channel waits for the node of their leader, whatever else comes on it.
    const stuck = QUEUES.map((queueName) => broker.enqueue(work(queueName, 1)));
    const outcomes = Promise.allSettled(stuck);
    const begun = performance.now();
    await broker.enqueue(work("well", 1));
    assertLess(performance.now() - begun, 20_000);
    await target.server.kill(); // which the others see at once
    await outcomes;
  });
}

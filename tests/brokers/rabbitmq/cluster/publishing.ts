import { setTimeout as delay } from "node:timers/promises";
import { assertEquals, assertLess } from "@std/assert";
import type { RabbitmqBroker } from "@dq/dramatiq";
import { textOf, withLog } from "../../../support/log.ts";
import { type ClusterFile, declareOnTarget, openAtHome, work } from "./fixture.ts";

const QUORUM = { queueType: "quorum" } as const;
/** Enough that the first messages of most come before there is another leader. */
const queuesOf = (name: string) => Array.from({ length: 6 }, (_, i) => `${name}_${i}`);

/** Milliseconds after which a test does not wait any longer. */
const LONGEST_WAIT = 60_000;

/** Sending to quorum queues while a node is away. */
export function publishing(file: ClusterFile): void {
  const { test, target } = file;

  /** Milliseconds until a message is stored, while others are sent that make the server hang. */
  async function timeUntilSent(
    broker: RabbitmqBroker,
    queueName: string,
    sending: Promise<unknown>[],
  ): Promise<number> {
    const begun = performance.now();
    let isSent = false;
    while (!isSent && performance.now() - begun < LONGEST_WAIT) {
      sending.push(broker.enqueue(work(queueName, 1)).then(() => isSent = true, () => {}));
      await delay(500);
    }
    return performance.now() - begun;
  }

  test("Publisher sends on another channel what RabbitMQ refuses without its leader", async () => {
    const queueNames = queuesOf("refused");
    await declareOnTarget(file, QUORUM, ...queueNames);
    await using broker = openAtHome(file, QUORUM);
    for (const queueName of queueNames) await broker.getQueueMessageCounts(queueName);
    await withLog({ category: ["dramatiq", "rabbitmq"] }, async (lines) => {
      const killed = target.server.kill();
      const begun = performance.now();
      for (let round = 0; round < 20; round++) {
        await Promise.all(queueNames.map((queueName) => broker.enqueue(work(queueName, round))));
      }
      // Without another channel it would fail for as long as the node is away.
      assertLess(performance.now() - begun, 20_000);
      await killed;
      const texts = lines.map(textOf);
      const told = (text: string) => texts.filter((line) => line.startsWith(text)).length;
      assertEquals(told("Retrying messages refused by RabbitMQ"), 1, texts.join("\n"));
      assertEquals(told("Delivering messages to queue"), 1, texts.join("\n"));
      assertEquals(texts.length, 2, texts.join("\n"));
    });
  });

  test("Publisher leaves a channel on which RabbitMQ confirms nothing, for other queues", async () => {
    const queueNames = queuesOf("hung");
    await declareOnTarget(file, QUORUM, ...queueNames);
    await using broker = openAtHome(file, QUORUM);
    for (const queueName of [...queueNames, "well"]) await broker.getQueueMessageCounts(queueName);
    await target.server.pause();
    // The channel waits for the node of their leader, whatever else comes on it.
    const sending = queueNames.map((queueName) =>
      broker.enqueue(work(queueName, 1)).catch(() => {})
    );
    assertLess(await timeUntilSent(broker, "well", sending), 20_000);
    await target.server.kill(); // which the others see at once
    await Promise.all(sending);
  });
}

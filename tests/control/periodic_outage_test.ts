import { assertEquals } from "@std/assert";
import { actor, currentMessage, RedisBroker, Worker } from "@dq/dramatiq";
import type { PeriodicMessage } from "@dq/dramatiq/control";
import { testLong } from "../servers/own.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { eventually } from "../support/servers/until.ts";

const EVERY = 100;

testLong("redis-server")(
  "Each tick is sent once though Redis is killed and restarted",
  async () => {
    await using server = await startOwnRedis({ appendonly: true });
    const ticks = new Map<number, Set<string>>();
    const brokers = Array.from({ length: 2 }, () => new RedisBroker({ url: server.url }));
    const workers = brokers.map((broker) => {
      actor(() => {
        const { messageId, options } = currentMessage()!;
        const { tick } = options["periodic"] as PeriodicMessage;
        ticks.set(tick, (ticks.get(tick) ?? new Set()).add(messageId));
      }, {
        broker,
        actorName: "tick",
        every: { interval: EVERY, missed: "all", overlap: "allow" },
      });
      return new Worker(broker);
    });
    for (const worker of workers) await worker.start();
    for (let round = 1; round <= 2; round++) {
      const { size } = ticks;
      await eventually("fire", () => ticks.size > size + 3);
      await server.restart();
    }
    const { size } = ticks;
    await eventually("fire again", () => ticks.size > size + 10);
    for (const worker of workers) await worker.stop();
    const sorted = [...ticks.keys()].toSorted((a, b) => a - b);
    const first = sorted[0]!;
    // What ran last may have left others of its time on the queue.
    const settled = sorted.slice(0, -5);
    assertEquals(settled, settled.map((_, i) => first + i * EVERY));
    for (const [tick, ids] of ticks) assertEquals(ids.size, 1, `${tick}`);
    const [{ value } = { value: null }] =
      (await brokers[0]!.controlStore.read("tick/tick")).entries;
    assertEquals((value as { skipped: number }).skipped, 0);
    for (const broker of brokers) await broker.close();
  },
);

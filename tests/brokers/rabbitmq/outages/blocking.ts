import { assert, assertEquals, assertRejects } from "@std/assert";
import { actor, BrokerConnectionError, Worker } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { testLong } from "../../../servers/own.ts";
import { textOf, withLog } from "../../../support/log.ts";
import { eventually, type FileServer, Fixture } from "../fixture.ts";

/** A RabbitMQ that takes nothing because its memory is short. */
export function blocking(file: FileServer): void {
  const test = testLong("rabbitmq-server");

  const setMemory = (share: string) =>
    file.console.evaluate(`vm_memory_monitor:set_vm_memory_high_watermark(${share}).`);

  test("RabbitmqBroker gives up to send when RabbitMQ blocks it too long, says so, and goes on later", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ blockedTimeout: 1_000 });
    const ran: string[] = [];
    const note = actor((text: string) => void ran.push(text), {
      ...{ broker, queueName: fixture.queueName, actorName: "note" },
    });
    await note.send("before");
    try {
      await setMemory("0.0");
      for (const text of ["one", "two"]) {
        const { message } = await assertRejects(() => note.send(text), BrokerConnectionError);
        assert(/block/i.test(message), message);
        assert(message.includes("1000 ms"), message);
      }
      // Those who only receive are not blocked: they make room.
      await using worker = new Worker(broker);
      await worker.start();
      await eventually("run what is there", () => ran.includes("before"));
      await worker.stop();
    } finally {
      await setMemory("0.4");
    }
    await note.send("after");
    await using worker = new Worker(broker);
    await worker.start();
    await eventually("run what was sent", () => ran.includes("after"));
    await worker.stop();
  });

  /** Runs something that is given what waits until RabbitMQ has told a client that it is blocked. */
  const withBlocking = (run: (untilBlocked: () => Promise<void>) => Promise<void>) =>
    withLog({ category: ["dramatiq", "rabbitmq"] }, async (lines) => {
      await run(() =>
        eventually("be blocked", () => {
          return lines.some((line) => textOf(line).includes("Blocked by RabbitMQ"));
        })
      );
    });

  /** Delivery state of each message that could not be sent. */
  const deliveriesOf = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
    outcomes.map((outcome) => {
      assert(outcome.status === "rejected", "it was sent");
      assert(outcome.reason instanceof BrokerConnectionError, String(outcome.reason));
      return outcome.reason.delivery;
    });

  test("RabbitmqBroker writes nothing while RabbitMQ blocks it, and tells what may arrive from what does not", () =>
    withBlocking(async (untilBlocked) => {
      await using fixture = new Fixture(file);
      const { queueName } = fixture;
      const broker = fixture.open({ blockedTimeout: 1_000 });
      await broker.enqueue(work(queueName, "before"));
      await setMemory("0.0");
      try {
        const first = broker.enqueue(work(queueName, "first"));
        const second = broker.enqueue(work(queueName, "second"));
        first.catch(() => {});
        second.catch(() => {});
        await untilBlocked();
        const later = [
          broker.enqueue(work(queueName, "later")),
          broker.enqueueMany([work(queueName, "many"), work(queueName, "others")]),
          broker.enqueue(work(`${queueName}_2`, "a queue that is not declared")),
        ];
        assertEquals(
          deliveriesOf(await Promise.allSettled([first, second, ...later])),
          ["unknown", "unknown", "none", "none", "none"],
        );
        assertEquals(
          deliveriesOf(await Promise.allSettled([broker.enqueue(work(queueName, "last"))])),
          ["none"],
        );
      } finally {
        await setMemory("0.4");
      }
      await broker.enqueue(work(queueName, "after"));
      assertEquals(
        await fixture.inspector.firstArgs(queueName),
        ["before", "first", "second", "after"],
      );
      assertEquals(await fixture.suffixes(), ["", ".DQ", ".XQ"]);
    }));

  test("RabbitmqBroker sends what had to wait for the end of a block, in order", () =>
    withBlocking(async (untilBlocked) => {
      await using fixture = new Fixture(file);
      const { queueName } = fixture;
      const broker = fixture.open();
      await broker.enqueue(work(queueName, 0));
      await setMemory("0.0");
      const sending: Promise<unknown>[] = [broker.enqueue(work(queueName, 1))];
      try {
        await untilBlocked();
        for (const n of [2, 3, 4]) sending.push(broker.enqueue(work(queueName, n)));
      } finally {
        await setMemory("0.4");
      }
      await Promise.all(sending);
      assertEquals(await fixture.inspector.firstArgs(queueName), [0, 1, 2, 3, 4]);
    }));

  test("RabbitmqBroker acknowledges no far-off message that it cannot put on the ladder, and moves it once when it can", () =>
    withBlocking(async (untilBlocked) => {
      await using fixture = new Fixture(file);
      const { queueName } = fixture;
      const broker = fixture.open({ blockedTimeout: 1_000 });
      await broker.enqueue(work(queueName, 1), { delay: 3_600_000 });
      await broker.enqueue(work(`${queueName}_2`, 0));
      await setMemory("0.0");
      try {
        await assertRejects(() => broker.enqueue(work(`${queueName}_2`, 1)), BrokerConnectionError);
        await untilBlocked();
        const consumer = fixture.use(broker.consume(`${queueName}.DQ`));
        const receiving = consumer.receive(1);
        await fixture.untilCounts(".DQ", 0, 1);
        // It waits for the end of the move, which fails.
        await consumer.close();
        assertEquals(await receiving, []);
        await fixture.untilCounts(".DQ", 1);
      } finally {
        await setMemory("0.4");
      }
      await using consumer = broker.consume(`${queueName}.DQ`);
      const receiving = consumer.receive(1);
      await fixture.untilCounts(".DQ.q1024", 1);
      await fixture.untilCounts(".DQ", 0);
      await consumer.close();
      assertEquals(await receiving, []);
      await fixture.inspector.delete(`${queueName}_2`, `${queueName}_2.DQ`, `${queueName}_2.XQ`);
    }));

  test("RabbitmqBroker.enqueue waits while RabbitMQ blocks it for a moment", () =>
    withBlocking(async (untilBlocked) => {
      await using fixture = new Fixture(file);
      const broker = fixture.open();
      const note = actor((_n: number) => {}, {
        ...{ broker, queueName: fixture.queueName, actorName: "note" },
      });
      await note.send(0);
      await setMemory("0.0");
      let isSent = false;
      const sending = note.send(1).finally(() => isSent = true);
      sending.catch(() => {}); // It is told below.
      await untilBlocked();
      assertEquals(isSent, false);
      await setMemory("0.4");
      await sending;
      assertEquals((await fixture.counts()).ready, 2);
    }));
}

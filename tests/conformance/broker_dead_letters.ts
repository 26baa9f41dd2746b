import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type DeadLetter,
  DecodeError,
  type Message,
  type Middleware,
  UndecodableMessage,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import { bury, buryNext, eachDead, readAll } from "./broker_burials.ts";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveCount, receiveOne, work } from "./broker_messages.ts";

/** Reading dead letters while they change. */
export const deadLetters: Rules = {
  deadLettersRead: {
    rule: "Broker.deadLetters gives what died, with what it failed with, and leaves it there",
    async check(fixture) {
      const broker = await fixture.open();
      const [sent] = await bury(broker, fixture.queueName, [work(fixture.queueName, "a", 1.5)]);
      const before = Date.now();
      for (let times = 0; times < 2; times++) {
        const [dead, ...others] = await readAll(broker, fixture.queueName);
        assertEquals(others, []);
        assertEquals(dead!.queueName, fixture.queueName);
        assertEquals(dead!.message.messageId, sent!.messageId);
        assertEquals(dead!.message.args, ["a", 1.5]);
        assertEquals(dead!.retries, 3);
        assertStringIncludes(dead!.traceback ?? "", "RangeError: the last straw");
        assertEquals(dead!.decodeError, undefined);
        // RabbitMQ knows the second only.
        assert(dead!.diedAt === undefined || Math.abs(dead!.diedAt - before) < 60_000);
      }
      assertEquals((await fixture.deadLetters(broker)).length, 1);
    },
  },

  deadLettersNone: {
    rule: "Broker.deadLetters gives nothing of a queue that has none, nor those of others",
    async check(fixture) {
      const broker = await fixture.open();
      assertEquals(await readAll(broker, fixture.queueName), []);
      const other = fixture.newQueueName();
      broker.declareQueue(other);
      await bury(broker, other, [work(other, 1)]);
      assertEquals(await readAll(broker, fixture.queueName), []);
      assertEquals(firstArgs(messagesOf(await readAll(broker, other))), [1]);
    },
  },

  deadLettersPages: {
    rule: "Broker.deadLetters gives each dead letter once, however small the pages",
    async check(fixture) {
      const broker = await fixture.open();
      const numbers = Array.from({ length: 11 }, (_, i) => i);
      await bury(broker, fixture.queueName, numbers.map((n) => work(fixture.queueName, n)));
      for (const pageSize of [1, 3, 11, 100]) {
        const read = await readAll(broker, fixture.queueName, pageSize);
        assertEquals(firstArgs(messagesOf(read)).toSorted(byNumber), numbers);
      }
    },
  },

  deadLettersRequeueAll: {
    rule: "Broker.deadLetters loses none and gives none twice while they are requeued and dropped",
    async check(fixture) {
      const broker = await fixture.open();
      const numbers = Array.from({ length: 12 }, (_, i) => i);
      await bury(broker, fixture.queueName, numbers.map((n) => work(fixture.queueName, n)));
      const seen: unknown[] = [];
      for await (const dead of broker.deadLetters(fixture.queueName, { pageSize: 3 })) {
        const number = dead.message.args[0] as number;
        seen.push(number);
        if (number % 3 === 0) assertEquals(await dead.requeue(), true);
        if (number % 3 === 1) assertEquals(await dead.drop(), true);
      }
      assertEquals(seen.toSorted(), numbers.toSorted());
      await using consumer = broker.consume(fixture.queueName, { prefetch: 4 });
      const back = await receiveCount(consumer, 4);
      assertEquals(firstArgs(back).toSorted(byNumber), [0, 3, 6, 9]);
      await consumer.ack(back);
      const left = messagesOf(await readAll(broker, fixture.queueName));
      assertEquals(firstArgs(left).toSorted(byNumber), [2, 5, 8, 11]);
    },
  },

  deadLettersAtOnce: {
    rule: "Broker.deadLetters ends when pending requeues and drops have ended, awaited or not",
    async check(fixture) {
      const slow: Middleware = { beforeEnqueue: () => nextTurn().then(nextTurn) };
      const broker = await fixture.open([slow]);
      const numbers = Array.from({ length: 20 }, (_, i) => i);
      await bury(broker, fixture.queueName, numbers.map((n) => work(fixture.queueName, n)));
      const requeueing: Promise<boolean>[] = [];
      await eachDead(broker, fixture.queueName, (dead) => void requeueing.push(dead.requeue()), 7);
      assertEquals(await Promise.all(requeueing), numbers.map(() => true));
      await using consumer = broker.consume(fixture.queueName, { prefetch: 20 });
      const back = await receiveCount(consumer, 20);
      assertEquals(firstArgs(back).toSorted(byNumber), numbers);
      assertEquals(await readAll(broker, fixture.queueName), []);
    },
  },

  deadLettersBreak: {
    rule: "Broker.deadLetters leaves the rest where it is when the loop ends early",
    async check(fixture) {
      const broker = await fixture.open();
      await bury(broker, fixture.queueName, [1, 2, 3].map((n) => work(fixture.queueName, n)));
      for await (const dead of broker.deadLetters(fixture.queueName)) {
        assertEquals(await dead.drop(), true);
        break;
      }
      assertEquals((await readAll(broker, fixture.queueName)).length, 2);
      assertEquals((await fixture.deadLetters(broker)).length, 2);
    },
  },

  deadLetterUndecodable: {
    rule:
      "Broker.deadLetters gives data that is no message with its bytes, and requeues it as it is",
    needs: "putRaw",
    async check(fixture) {
      const broker = await fixture.open();
      const data = Uint8Array.of(0, 255, 10, 123);
      for (let i = 0; i < 2; i++) {
        await fixture.harness.putRaw!(broker, fixture.queueName, data);
        await buryNext(broker, fixture.queueName);
      }
      let count = 0;
      await eachDead(broker, fixture.queueName, async (dead) => {
        assert(dead.message instanceof UndecodableMessage);
        assert(dead.decodeError instanceof DecodeError);
        assertEquals([...bytesOf(dead)], [...data]);
        assertEquals([dead.retries, dead.traceback], [0, undefined]);
        assertEquals(await (count++ === 0 ? dead.requeue() : dead.drop()), true);
      });
      assertEquals(count, 2);
      await using consumer = broker.consume(fixture.queueName);
      const { message } = await receiveOne(consumer);
      assert(message instanceof UndecodableMessage);
      assertEquals([...Uint8Array.from(message.error.data as Uint8Array)], [...data]);
      assertEquals(await readAll(broker, fixture.queueName), []);
    },
  },

  deadLettersDyingAgain: {
    rule: "Broker.deadLetters ends although what is requeued dies again at once",
    async check(fixture) {
      const broker = await fixture.open();
      await bury(broker, fixture.queueName, [1, 2, 3].map((n) => work(fixture.queueName, n)));
      const worker = new Worker(broker); // knows no actor: whatever it gets dies
      await worker.start();
      let count = 0;
      await eachDead(broker, fixture.queueName, async (dead) => {
        count += 1;
        assert(await dead.requeue());
        await broker.join(fixture.queueName, { failFast: false } as object);
      }, 1);
      await worker.stop();
      assertEquals(count, 3);
      assertEquals((await readAll(broker, fixture.queueName)).length, 3);
    },
  },
};

function messagesOf(dead: readonly DeadLetter[]): Message[] {
  return dead.map(({ message }) => message);
}

function bytesOf({ data }: DeadLetter): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data);
}

function byNumber(a: unknown, b: unknown): number {
  return (a as number) - (b as number);
}

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Broker,
  type DeadLetter,
  DecodeError,
  type Message,
  type Middleware,
  MiddlewareError,
  UndecodableMessage,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../core/runtime.ts";
import type { Rules } from "./broker_harness.ts";
import {
  firstArgs,
  moveDelayed,
  receiveCount,
  receiveOne,
  textOf,
  work,
} from "./broker_messages.ts";

/** Reading the dead letters, and what can be done with them. */
export const deadLetters: Rules = {
  deadLettersRead: {
    rule: "Broker.deadLetters gives what died, with what it failed with, and leaves it there",
    async check(stage) {
      const broker = await stage.open();
      const [sent] = await bury(broker, stage.queueName, [work(stage.queueName, "a", 1.5)]);
      const before = Date.now();
      for (let times = 0; times < 2; times++) {
        const [dead, ...others] = await readAll(broker, stage.queueName);
        assertEquals(others, []);
        assertEquals(dead!.queueName, stage.queueName);
        assertEquals(dead!.message.messageId, sent!.messageId);
        assertEquals(dead!.message.args, ["a", 1.5]);
        assertEquals(dead!.retries, 3);
        assertStringIncludes(dead!.traceback ?? "", "RangeError: the last straw");
        assertEquals(dead!.decodeError, undefined);
        // RabbitMQ knows the second only.
        assert(dead!.diedAt === undefined || Math.abs(dead!.diedAt - before) < 60_000);
      }
      assertEquals((await stage.deadLetters(broker)).length, 1);
    },
  },

  deadLettersNone: {
    rule: "Broker.deadLetters gives nothing of a queue that has none, nor those of others",
    async check(stage) {
      const broker = await stage.open();
      assertEquals(await readAll(broker, stage.queueName), []);
      const other = stage.newQueueName();
      broker.declareQueue(other);
      await bury(broker, other, [work(other, 1)]);
      assertEquals(await readAll(broker, stage.queueName), []);
      assertEquals(firstArgs(messagesOf(await readAll(broker, other))), [1]);
    },
  },

  deadLettersPages: {
    rule: "Broker.deadLetters gives each dead letter once, however small the pages",
    async check(stage) {
      const broker = await stage.open();
      const numbers = Array.from({ length: 11 }, (_, i) => i);
      await bury(broker, stage.queueName, numbers.map((n) => work(stage.queueName, n)));
      for (const pageSize of [1, 3, 11, 100]) {
        const read = await readAll(broker, stage.queueName, pageSize);
        assertEquals(firstArgs(messagesOf(read)).toSorted(byNumber), numbers);
      }
    },
  },

  deadLettersRequeueAll: {
    rule: "Broker.deadLetters loses none and gives none twice while they are requeued and dropped",
    async check(stage) {
      const broker = await stage.open();
      const numbers = Array.from({ length: 12 }, (_, i) => i);
      await bury(broker, stage.queueName, numbers.map((n) => work(stage.queueName, n)));
      const seen: unknown[] = [];
      for await (const dead of broker.deadLetters(stage.queueName, { pageSize: 3 })) {
        const number = dead.message.args[0] as number;
        seen.push(number);
        if (number % 3 === 0) assertEquals(await dead.requeue(), true);
        if (number % 3 === 1) assertEquals(await dead.drop(), true);
      }
      assertEquals(seen.toSorted(), numbers.toSorted());
      await using consumer = broker.consume(stage.queueName, { prefetch: 4 });
      const back = await receiveCount(consumer, 4);
      assertEquals(firstArgs(back).toSorted(byNumber), [0, 3, 6, 9]);
      await consumer.ack(back);
      const left = messagesOf(await readAll(broker, stage.queueName));
      assertEquals(firstArgs(left).toSorted(byNumber), [2, 5, 8, 11]);
    },
  },

  deadLettersAtOnce: {
    rule: "Broker.deadLetters ends when what was begun is done, though nobody waited for it",
    async check(stage) {
      const slow: Middleware = { beforeEnqueue: () => nextTurn().then(nextTurn) };
      const broker = await stage.open([slow]);
      const numbers = Array.from({ length: 20 }, (_, i) => i);
      await bury(broker, stage.queueName, numbers.map((n) => work(stage.queueName, n)));
      const requeueing: Promise<boolean>[] = [];
      await eachDead(broker, stage.queueName, (dead) => void requeueing.push(dead.requeue()), 7);
      assertEquals(await Promise.all(requeueing), numbers.map(() => true));
      await using consumer = broker.consume(stage.queueName, { prefetch: 20 });
      const back = await receiveCount(consumer, 20);
      assertEquals(firstArgs(back).toSorted(byNumber), numbers);
      assertEquals(await readAll(broker, stage.queueName), []);
    },
  },

  deadLettersBreak: {
    rule: "Broker.deadLetters leaves the rest where it is when the loop ends early",
    async check(stage) {
      const broker = await stage.open();
      await bury(broker, stage.queueName, [1, 2, 3].map((n) => work(stage.queueName, n)));
      for await (const dead of broker.deadLetters(stage.queueName)) {
        assertEquals(await dead.drop(), true);
        break;
      }
      assertEquals((await readAll(broker, stage.queueName)).length, 2);
      assertEquals((await stage.deadLetters(broker)).length, 2);
    },
  },

  deadLetterRequeueAfresh: {
    rule: "DeadLetter.requeue sends the message afresh: same id and arguments, no retries",
    async check(stage) {
      const broker = await stage.open();
      const [sent] = await bury(broker, stage.queueName, [
        work(stage.queueName, "text", { deep: [null] }).copy({
          messageTimestamp: 1_000,
          options: { tenant: "a", requeueTimestamp: 5, maxRetries: 7 },
        }),
      ]);
      await eachDead(broker, stage.queueName, (dead) => dead.requeue());
      await using consumer = broker.consume(stage.queueName);
      const { message } = await receiveOne(consumer);
      assertEquals(message.messageId, sent!.messageId);
      assertEquals(message.queueName, stage.queueName);
      assertEquals(message.args, ["text", { deep: [null] }]);
      assertEquals(message.option("tenant"), "a");
      assertEquals(message.option("maxRetries"), 7);
      for (const gone of ["retries", "traceback", "requeueTimestamp", "eta"]) {
        assertEquals(message.option(gone), undefined, gone);
      }
      assert(Math.abs(message.messageTimestamp - Date.now()) < 60_000);
      assertEquals(await readAll(broker, stage.queueName), []);
      assertEquals(await stage.deadLetters(broker), []);
    },
  },

  deadLetterRequeueExact: {
    rule: "DeadLetter.requeue keeps the text of numbers that JavaScript has no like of",
    needs: "putRaw",
    async check(stage) {
      const broker = await stage.open();
      const args = '[1.0,9007199254740993,-0.0,{"2":1e16,"1":NaN}]';
      const text = `{"queue_name":"${stage.queueName}","actor_name":"work","args":${args},` +
        `"kwargs":{},"options":{},"message_id":"m-1","message_timestamp":1}`;
      await stage.harness.putRaw!(broker, stage.queueName, text);
      await buryNext(broker, stage.queueName);
      await eachDead(broker, stage.queueName, (dead) => dead.requeue());
      await using consumer = broker.consume(stage.queueName);
      const { message } = await receiveOne(consumer);
      assertStringIncludes(textOf(message.encode()), `"args":${args},`);
    },
  },

  deadLetterRequeueDelayed: {
    rule: "DeadLetter.requeue puts a message that died while it was delayed on the queue itself",
    async check(stage) {
      const broker = await stage.open();
      await broker.enqueue(work(stage.queueName, "delayed"), { delay: 1 });
      await using _mover = moveDelayed(broker, stage.queueName);
      const consumer = broker.consume(stage.queueName);
      const received = await receiveOne(consumer);
      received.message = received.message.copy({
        queueName: `${stage.queueName}.DQ`,
        options: { eta: Date.now() + 1e9 },
      });
      received.stuffException(new Error("late"));
      await consumer.nack([received]);
      await consumer.close();
      await broker.join(stage.queueName);
      await eachDead(broker, stage.queueName, (dead) => dead.requeue());
      await using again = broker.consume(stage.queueName);
      const { message } = await receiveOne(again);
      assertEquals([message.queueName, message.args], [stage.queueName, ["delayed"]]);
    },
  },

  deadLetterOnce: {
    rule: "DeadLetter can be requeued or dropped once; what comes second does nothing, and says so",
    async check(stage) {
      const broker = await stage.open();
      await bury(broker, stage.queueName, [work(stage.queueName, 1), work(stage.queueName, 2)]);
      await eachDead(broker, stage.queueName, async (dead) => {
        const [first, second] = dead.message.args[0] === 1
          ? [await dead.requeue(), await dead.drop()]
          : [await dead.drop(), await dead.requeue()];
        assertEquals([first, second, await dead.requeue()], [true, false, false]);
      });
      await using consumer = broker.consume(stage.queueName, { prefetch: 2 });
      await broker.enqueue(work(stage.queueName, 3));
      assertEquals(firstArgs(await receiveCount(consumer, 2)), [1, 3]);
    },
  },

  deadLetterUndecodable: {
    rule:
      "Broker.deadLetters gives data that is no message with its bytes, and requeues it as it is",
    needs: "putRaw",
    async check(stage) {
      const broker = await stage.open();
      const data = Uint8Array.of(0, 255, 10, 123);
      for (let i = 0; i < 2; i++) {
        await stage.harness.putRaw!(broker, stage.queueName, data);
        await buryNext(broker, stage.queueName);
      }
      let count = 0;
      await eachDead(broker, stage.queueName, async (dead) => {
        assert(dead.message instanceof UndecodableMessage);
        assert(dead.decodeError instanceof DecodeError);
        assertEquals([...bytesOf(dead)], [...data]);
        assertEquals([dead.retries, dead.traceback], [0, undefined]);
        assertEquals(await (count++ === 0 ? dead.requeue() : dead.drop()), true);
      });
      assertEquals(count, 2);
      await using consumer = broker.consume(stage.queueName);
      const { message } = await receiveOne(consumer);
      assert(message instanceof UndecodableMessage);
      assertEquals([...Uint8Array.from(message.error.data as Uint8Array)], [...data]);
      assertEquals(await readAll(broker, stage.queueName), []);
    },
  },

  deadLetterHooks: {
    rule: "DeadLetter.requeue calls the hooks of enqueueing; one that objects keeps it dead",
    async check(stage) {
      const calls: string[] = [];
      let objects = true;
      const broker = await stage.open([{
        beforeEnqueue(_broker, message) {
          if (message.option("retries") !== undefined) return; // the one that is to die
          calls.push(`before ${message.queueName === stage.queueName}`);
          if (objects) throw new MiddlewareError("not now");
        },
        afterEnqueue: (_broker, message) => {
          if (message.option("retries") === undefined) calls.push("after");
        },
      }]);
      await bury(broker, stage.queueName, [work(stage.queueName, 1)]);
      await eachDead(broker, stage.queueName, async (dead) => {
        await assertRejects(() => dead.requeue(), MiddlewareError, "not now");
        objects = false;
        assertEquals(await dead.requeue(), true);
      });
      assertEquals(calls, ["before true", "before true", "after"]);
    },
  },

  deadLettersDyingAgain: {
    rule: "Broker.deadLetters ends although what is requeued dies again at once",
    async check(stage) {
      const broker = await stage.open();
      await bury(broker, stage.queueName, [1, 2, 3].map((n) => work(stage.queueName, n)));
      const worker = new Worker(broker); // knows no actor: whatever it gets dies
      await worker.start();
      let count = 0;
      await eachDead(broker, stage.queueName, async (dead) => {
        count += 1;
        assert(await dead.requeue());
        await broker.join(stage.queueName, { failFast: false } as object);
      }, 1);
      await worker.stop();
      assertEquals(count, 3);
      assertEquals((await readAll(broker, stage.queueName)).length, 3);
    },
  },
};

/** Sends messages, and has them die after three retries. */
async function bury(
  broker: Broker,
  queueName: string,
  messages: readonly Message[],
): Promise<Message[]> {
  const sent: Message[] = [];
  for (const message of messages) {
    sent.push(await broker.enqueue(message.copy({ options: { retries: 3 } })));
    await buryNext(broker, queueName);
  }
  return sent;
}

/** Has the next message of a queue die. */
async function buryNext(broker: Broker, queueName: string): Promise<void> {
  await using consumer = broker.consume(queueName);
  const received = await receiveOne(consumer);
  received.stuffException(new RangeError("the last straw"));
  await consumer.nack([received]);
}

async function eachDead(
  broker: Broker,
  queueName: string,
  visit: (dead: DeadLetter) => unknown,
  pageSize?: number,
): Promise<void> {
  for await (const dead of broker.deadLetters(queueName, pageSize ? { pageSize } : {})) {
    await visit(dead);
  }
}

async function readAll(
  broker: Broker,
  queueName: string,
  pageSize?: number,
): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  await eachDead(broker, queueName, (dead) => all.push(dead), pageSize);
  return all;
}

function messagesOf(dead: readonly DeadLetter[]): Message[] {
  return dead.map(({ message }) => message);
}

function bytesOf({ data }: DeadLetter): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data);
}

function byNumber(a: unknown, b: unknown): number {
  return (a as number) - (b as number);
}

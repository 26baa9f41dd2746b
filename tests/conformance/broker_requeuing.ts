import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MiddlewareError } from "@dq/dramatiq";
import { bury, buryNext, eachDead, readAll } from "./broker_burials.ts";
import type { Rules } from "./broker_harness.ts";
import {
  firstArgs,
  moveDelayed,
  receiveCount,
  receiveOne,
  textOf,
  work,
} from "./broker_messages.ts";

/** Rules of what can be done with one dead letter. */
export const requeuing: Rules = {
  deadLetterRequeueAfresh: {
    rule: "DeadLetter.requeue sends the message afresh: same id and arguments, no retries",
    async check(fixture) {
      const broker = await fixture.open();
      const [sent] = await bury(broker, fixture.queueName, [
        work(fixture.queueName, "text", { deep: [null] }).copy({
          messageTimestamp: 1_000,
          options: { tenant: "a", requeueTimestamp: 5, maxRetries: 7 },
        }),
      ]);
      await eachDead(broker, fixture.queueName, (dead) => dead.requeue());
      await using consumer = broker.consume(fixture.queueName);
      const { message } = await receiveOne(consumer);
      assertEquals(message.messageId, sent!.messageId);
      assertEquals(message.queueName, fixture.queueName);
      assertEquals(message.args, ["text", { deep: [null] }]);
      assertEquals(message.option("tenant"), "a");
      assertEquals(message.option("maxRetries"), 7);
      for (const gone of ["retries", "traceback", "requeueTimestamp", "eta"]) {
        assertEquals(message.option(gone), undefined, gone);
      }
      assert(Math.abs(message.messageTimestamp - Date.now()) < 60_000);
      assertEquals(await readAll(broker, fixture.queueName), []);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  deadLetterRequeueExact: {
    rule: "DeadLetter.requeue keeps the text of numbers that JavaScript has no like of",
    needs: "putRaw",
    async check(fixture) {
      const broker = await fixture.open();
      const args = '[1.0,9007199254740993,-0.0,{"2":1e16,"1":NaN}]';
      const text = `{"queue_name":"${fixture.queueName}","actor_name":"work","args":${args},` +
        `"kwargs":{},"options":{},"message_id":"m-1","message_timestamp":1}`;
      await fixture.harness.putRaw!(broker, fixture.queueName, text);
      await buryNext(broker, fixture.queueName);
      await eachDead(broker, fixture.queueName, (dead) => dead.requeue());
      await using consumer = broker.consume(fixture.queueName);
      const { message } = await receiveOne(consumer);
      assertStringIncludes(textOf(message.encode()), `"args":${args},`);
    },
  },

  deadLetterRequeueDelayed: {
    rule: "DeadLetter.requeue puts a message that died while it was delayed on the queue itself",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueue(work(fixture.queueName, "delayed"), { delay: 1 });
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      const consumer = broker.consume(fixture.queueName);
      const received = await receiveOne(consumer);
      received.message = received.message.copy({
        queueName: `${fixture.queueName}.DQ`,
        options: { eta: Date.now() + 1e9 },
      });
      received.stuffException(new Error("late"));
      await consumer.nack([received]);
      await consumer.close();
      await broker.join(fixture.queueName);
      await eachDead(broker, fixture.queueName, (dead) => dead.requeue());
      await using again = broker.consume(fixture.queueName);
      const { message } = await receiveOne(again);
      assertEquals([message.queueName, message.args], [fixture.queueName, ["delayed"]]);
    },
  },

  deadLetterOnce: {
    rule: "DeadLetter can be requeued or dropped once; what comes second does nothing, and says so",
    async check(fixture) {
      const broker = await fixture.open();
      await bury(broker, fixture.queueName, [
        work(fixture.queueName, 1),
        work(fixture.queueName, 2),
      ]);
      await eachDead(broker, fixture.queueName, async (dead) => {
        const [first, second] = dead.message.args[0] === 1
          ? [await dead.requeue(), await dead.drop()]
          : [await dead.drop(), await dead.requeue()];
        assertEquals([first, second, await dead.requeue()], [true, false, false]);
      });
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      await broker.enqueue(work(fixture.queueName, 3));
      assertEquals(firstArgs(await receiveCount(consumer, 2)), [1, 3]);
    },
  },

  deadLetterHooks: {
    rule: "DeadLetter.requeue calls the hooks of enqueueing; one that objects keeps it dead",
    async check(fixture) {
      const calls: string[] = [];
      let objects = true;
      const broker = await fixture.open([{
        beforeEnqueue(_broker, message) {
          if (message.option("retries") !== undefined) return; // the one that is to die
          calls.push(`before ${message.queueName === fixture.queueName}`);
          if (objects) throw new MiddlewareError("not now");
        },
        afterEnqueue: (_broker, message) => {
          if (message.option("retries") === undefined) calls.push("after");
        },
      }]);
      await bury(broker, fixture.queueName, [work(fixture.queueName, 1)]);
      await eachDead(broker, fixture.queueName, async (dead) => {
        await assertRejects(() => dead.requeue(), MiddlewareError, "not now");
        objects = false;
        assertEquals(await dead.requeue(), true);
      });
      assertEquals(calls, ["before true", "before true", "after"]);
    },
  },
};

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Cancelled, currentSignal, group, pipeline } from "@dq/dramatiq";
import { aborted } from "../support/aborted.ts";
import { eventually } from "../support/servers/until.ts";
import type { Rules } from "./broker_control_harness.ts";
import { assertCancelledResult, noting, running } from "./cancelling_fixture.ts";

/** Outcome of messages that were cancelled one by one, with their pipeline or their group. */
export const cancelling: Rules = {
  cancelsWaiting: {
    rule: "cancel drops a message that waits on its queue, and no other",
    async check(fixture) {
      const side = fixture.open();
      const { note, ran } = noting(fixture, side, "count");
      const messages = await note.sendMany([[1], [2], [3]]);
      await side.control.cancel(messages[1]!.messageId, { reason: "not wanted" });
      const worker = await fixture.work(side);
      for (const message of messages) assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals(ran.toSorted(), [1, 3]);
      assertEquals([worker.outcomes.cancelled, worker.outcomes.done], [1, 2]);
      assertInstanceOf(side.fates.skipped.get(messages[1]!.messageId), Cancelled);
      await assertCancelledResult(messages[1]!, "not wanted");
      assertEquals(await fixture.dead(side), []);
    },
  },

  cancelsForAll: {
    rule: "cancel holds for each delivery of the message, on workers that start later as well",
    async check(fixture) {
      const side = fixture.open();
      const { note, ran } = noting(fixture, side, "count");
      const message = note.message(1);
      await side.control.cancel(message);
      for (let i = 1; i <= 3; i++) {
        const worker = await fixture.work(side);
        await side.broker.enqueue(message);
        await side.fates.of(message, i);
        await worker.stop();
      }
      assertEquals(ran, []);
    },
  },

  cancelsPrefetched: {
    rule: "cancel drops a message that a worker has prefetched while all of its places are taken",
    async check(fixture) {
      const side = fixture.open();
      const gate = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      const { note, ran } = noting(fixture, side, "later");
      const hold = fixture.actor(side, async () => {
        started.resolve();
        await gate.promise;
      }, { actorName: "hold" });
      await hold.send();
      const message = await note.send();
      await fixture.work(side, { concurrency: 1 });
      await started.promise;
      await message.cancel();
      assertEquals(await side.fates.of(message), ["ack"]);
      gate.resolve();
      assertEquals(ran, []);
    },
  },

  cancelsDelayed: {
    rule: "cancel drops a delayed message when its time comes",
    async check(fixture) {
      const side = fixture.open();
      const { note, ran } = noting(fixture, side, "later");
      const message = await note.sendWithOptions({ delay: 20 });
      await message.cancel({ reason: "too late" });
      await fixture.work(side);
      await side.fates.of(message);
      await assertCancelledResult(message, "too late");
      await side.broker.join(fixture.queueName, { timeout: 30_000 });
      assertEquals(ran, []);
    },
  },

  cancelsRunning: {
    rule: "cancel has the signal of a running message abort, and whatever it throws then is final",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const reasons: unknown[] = [];
      const { message, worker } = await running(fixture, side, async () => {
        reasons.push(await aborted());
        throw new TypeError("an error of its own");
      }, { maxRetries: 5, minBackoff: 1 });
      await other.control.cancel(message.messageId, { reason: "stop", grace: 30_000 });
      assertEquals(await side.fates.of(message), ["ack"]);
      assertInstanceOf(reasons[0], Cancelled);
      assertEquals(worker.outcomes.cancelled, 1);
      await assertCancelledResult(message, "stop");
      assertEquals(await fixture.dead(side), []);
    },
  },

  cancelsAbortErrors: {
    rule: "cancel counts the AbortError of a function that was given the signal as its own",
    async check(fixture) {
      const side = fixture.open();
      const { message, worker } = await running(
        fixture,
        side,
        () => delay(600_000, undefined, { signal: currentSignal() }),
        { maxRetries: 5, minBackoff: 1 },
      );
      await message.cancel();
      assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals(worker.outcomes.cancelled, 1);
    },
  },

  givesUpRunning: {
    rule: "cancel gives up an actor that does not stop within its grace",
    async check(fixture) {
      const side = fixture.open();
      const gate = Promise.withResolvers<void>();
      const { message, worker } = await running(fixture, side, () => gate.promise);
      await message.cancel({ grace: 0 });
      assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals(worker.outcomes.cancelled, 1);
      gate.resolve();
    },
  },

  lateSuccess: {
    rule: "cancel lets an actor that returns all the same count as done",
    async check(fixture) {
      const side = fixture.open();
      const { message, worker } = await running(fixture, side, async () => {
        await aborted();
        return 7;
      });
      await message.cancel({ grace: 30_000 });
      assertEquals(await message.getResult({ block: true, timeout: 30_000 }), 7);
      await side.fates.of(message);
      assertEquals([worker.outcomes.cancelled, worker.outcomes.done], [0, 1]);
    },
  },

  cancelsRetries: {
    rule: "cancel drops a message that waits for its retry",
    async check(fixture) {
      const side = fixture.open();
      let attempts = 0;
      const flaky = fixture.actor(side, () => {
        attempts += 1;
        throw new Error("again");
      }, { actorName: "flaky", maxRetries: 5, minBackoff: 20, maxBackoff: 20 });
      const worker = await fixture.work(side, { queues: [fixture.queueName] });
      const message = flaky.message();
      const stopped = new Promise<void>((resolve) => {
        const afterAck = () => resolve(worker.stop());
        side.broker.addMiddleware({ afterAck });
      });
      await side.broker.enqueue(message);
      await stopped;
      const attemptsBefore = attempts;
      const endsBefore = (await side.fates.of(message)).length;
      await message.cancel();
      await fixture.work(side);
      const ends = await side.fates.of(message, endsBefore + 1);
      assertEquals(ends.at(-1), "ack");
      assertEquals(attempts, attemptsBefore);
      assertEquals(await fixture.dead(side), []);
    },
  },

  cancelsItself: {
    rule: "an actor that throws Cancelled is neither retried nor dead-lettered",
    async check(fixture) {
      const side = fixture.open();
      const give = fixture.actor(side, () => {
        throw new Cancelled("nothing to do");
      }, { actorName: "give", maxRetries: 5, minBackoff: 1 });
      const worker = await fixture.work(side);
      const message = await give.send();
      assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals(worker.outcomes.cancelled, 1);
      await assertCancelledResult(message, "nothing to do");
    },
  },

  cancelsPipelines: {
    rule: "pipeline.cancel stops the message that runs, and those after it never run",
    async check(fixture) {
      const side = fixture.open();
      const started = Promise.withResolvers<void>();
      const ran: string[] = [];
      const first = fixture.actor(side, async () => {
        started.resolve();
        await aborted();
        throw new Error("stopped");
      }, { actorName: "first" });
      const second = fixture.actor(side, () => void ran.push("second"), { actorName: "second" });
      const chain = pipeline([first.message(), second.message()], { broker: side.broker });
      await chain.run();
      await fixture.work(side);
      await started.promise;
      await chain.cancel({ grace: 30_000 });
      assertEquals(await side.fates.of(chain.messages[0]!), ["ack"]);
      await side.broker.join(fixture.queueName, { timeout: 30_000 });
      assertEquals(ran, []);
    },
  },

  cancelsGroups: {
    rule: "group.cancel cancels members and pipelines; the group has settled, and not completed",
    async check(fixture) {
      const side = fixture.open();
      const ran: string[] = [];
      const told: string[] = [];
      const note = fixture.actor(side, (n: string) => void ran.push(n), { actorName: "note" });
      const tell = fixture.actor(side, (what: string) => void told.push(what), {
        actorName: "tell",
      });
      const { broker } = side;
      const chain = pipeline([note.message("b"), note.message("c")], { broker });
      const all = group([note.message("a"), chain], { broker });
      all.addCompletionCallback(tell.message("completed"));
      all.addCompletionCallback(tell.message("settled"), { when: "settled" });
      await all.run();
      await all.cancel();
      await fixture.work(side);
      await eventually("hear that the group has settled", () => told.length > 0);
      await broker.join(fixture.queueName, { timeout: 30_000 });
      assertEquals([ran, told], [[], ["settled"]]);
    },
  },

  keepsCancelled: {
    rule: "cancel with keep moves the message to the dead letters, and requeueing it undoes that",
    async check(fixture) {
      const side = fixture.open();
      const { note, ran } = noting(fixture, side, "count");
      const message = await note.send(1);
      await message.cancel({ keep: true, reason: "by mistake" });
      await fixture.work(side);
      assertEquals(await side.fates.of(message), ["nack"]);
      await assertCancelledResult(message, "by mistake");
      let traceback: string | undefined;
      for await (const dead of side.broker.deadLetters(fixture.queueName)) {
        traceback = dead.traceback;
        assert(await dead.requeue());
      }
      assert(traceback?.includes("Cancelled: by mistake"), traceback);
      await side.fates.of(message, 2);
      assertEquals(ran, [1]);
      assertEquals(await side.control.cancellations(), []);
      assertEquals(await fixture.dead(side), []);
    },
  },

  refusesCancelling: {
    rule: "cancel and cancelAll refuse what makes no sense, and an unknown message does no harm",
    async check(fixture) {
      const { control, broker } = fixture.open();
      await assertRejects(() => control.cancel(""), RangeError, 'Cannot cancel message ""');
      await assertRejects(() => control.cancel("a", { grace: -1 }), RangeError, "grace -1");
      await assertRejects(() => control.cancel("a", { ttl: 0 }), RangeError, "0 ms");
      await assertRejects(() => control.cancel("a", { gracee: 1 } as object), TypeError, "gracee");
      await assertRejects(() => control.cancelAll({}), TypeError, "name an actor or a queue");
      await assertRejects(() => control.cancelAll({ actor: "" }), TypeError, 'actor ""');
      const before = broker.clock.now() + 86_400_000;
      await assertRejects(
        () => control.cancelAll({ actor: "a", before }),
        RangeError,
        "in the future",
      );
      assertEquals(await control.cancellations(), []);
      await control.cancel(crypto.randomUUID());
    },
  },
};

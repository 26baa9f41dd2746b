import { assert, assertEquals, assertRejects } from "@std/assert";
import { currentSignal, Message } from "@dq/dramatiq";
import { aborted } from "../support/aborted.ts";
import type { Rules } from "./broker_control_harness.ts";
import { assertCancelledResult, running } from "./cancelling_fixture.ts";

/** Outcome of all messages of an actor or a queue that were cancelled at once. */
export const cancellingAll: Rules = {
  cancelsAllOfActor: {
    rule: "cancelAll drops what was made before, of that actor, or on that queue, and no other",
    async check(fixture) {
      const side = fixture.open();
      const ran: string[] = [];
      const note = (name: string) =>
        fixture.actor(side, (n: number) => void ran.push(`${name}${n}`), { actorName: name });
      const [a, b] = [note("a"), note("b")];
      const old = { messageTimestamp: Date.now() - 60_000 };
      const send = async (message: Message) => await side.broker.enqueue(message);
      const olds = await Promise.all([
        send(a.message(1).copy(old)),
        send(a.message(2).copy(old)),
        send(b.message(1).copy(old)),
      ]);
      await a.cancelAll({ reason: "all of a" });
      await side.control.cancelAll({ actor: b, queue: "another" });
      await side.control.cancelAll({ queue: fixture.queueName, before: Date.now() - 120_000 });
      const young = await send(a.message(3).copy({ messageTimestamp: Date.now() + 60_000 }));
      const worker = await fixture.work(side);
      for (const message of [...olds, young]) assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals(ran.toSorted(), ["a3", "b1"]);
      assertEquals(worker.outcomes.cancelled, 2);
      assertEquals((await side.control.cancellations()).length, 3);
    },
  },

  cancelsAllOfQueue: {
    rule: "cancelAll stops what runs",
    async check(fixture) {
      const side = fixture.open();
      const { message } = await running(
        fixture,
        side,
        async () => {
          await aborted();
          currentSignal().throwIfAborted();
        },
        {},
        Date.now() - 60_000,
      );
      await side.control.cancelAll({ queue: fixture.queueName }, { grace: 30_000 });
      assertEquals(await side.fates.of(message), ["ack"]);
    },
  },

  purges: {
    rule: "cancelAll with purge drops what waits or is delayed at once, and nothing else",
    async check(fixture) {
      const side = fixture.open();
      const { broker, control } = side;
      const ran: number[] = [];
      const old = { messageTimestamp: Date.now() - 60_000 };
      const unwanted = fixture.actor(side, (n: number) => void ran.push(n), {
        actorName: "unwanted",
      });
      const wanted = fixture.actor(side, (n: number) => void ran.push(n), { actorName: "wanted" });
      const once = fixture.actor(side, () => {}, { actorName: "once", unique: true });
      await using inspector = broker.inspect();
      if (inspector.whyNot("browse:ready") !== undefined) {
        const purging = () => control.cancelAll({ actor: unwanted }, { purge: true });
        await assertRejects(purging, TypeError, "Cannot purge cancelled messages");
        assertEquals(await control.cancellations(), []);
        return;
      }
      const messages = Array.from(
        { length: 450 },
        (_, n) => (n % 9 === 0 ? wanted : unwanted).message(n).copy(old),
      );
      await broker.enqueueMany(messages);
      const delayed = await broker.enqueue(unwanted.message(-1).copy(old), { delay: 60_000 });
      const held = await broker.enqueue(once.message().copy(old));
      const young = { messageTimestamp: Date.now() + 60_000 };
      await broker.enqueue(unwanted.message(1_000).copy(young));
      await control.cancelAll({ actor: unwanted }, { purge: true, reason: "not wanted" });
      await control.cancelAll({ actor: "once", queue: fixture.queueName }, { purge: true });
      const totals = ["ready", "delayed", "dead"] as const;
      const counts = totals.map(async (state) => {
        return (await inspector.list({ queueName: fixture.queueName, state })).total;
      });
      assertEquals(await Promise.all(counts), [51, 0, 0]);
      for (const message of [messages[1]!, delayed]) {
        await assertCancelledResult(message, "not wanted");
      }
      assertEquals([(await once.send()).isDuplicate, held.isDuplicate], [false, false]);
      const worker = await fixture.work(side);
      await broker.join(fixture.queueName, { timeout: 30_000 });
      await worker.join();
      assertEquals(ran.length, 51);
      assert(ran.every((n) => n % 9 === 0 || n === 1_000), ran.join());
      const keep = () => control.cancelAll({ actor: "a" }, { purge: true, keep: true });
      await assertRejects(keep, TypeError, "that are to be kept");
    },
  },

  purgesUndeclared: {
    rule: "cancelAll with purge drops messages on queues that its broker does not declare",
    async check(fixture) {
      const { broker } = fixture.open();
      await using inspector = broker.inspect();
      if (inspector.whyNot("browse:ready") !== undefined) return; // see the rule above
      const { queueName, now } = fixture;
      const message = new Message({ queueName, actorName: "unwanted", args: [] });
      await broker.enqueue(message.copy({ messageTimestamp: now - 60_000 }));
      const { control } = fixture.open(false);
      await control.cancelAll({ actor: "unwanted" }, { purge: true });
      assertEquals((await inspector.list({ queueName, state: "ready" })).total, 0);
    },
  },

  sparesDeadLetters: {
    rule: "cancelAll leaves dead letters, and one that is requeued afterwards runs",
    async check(fixture) {
      const side = fixture.open();
      let runs = 0;
      const fail = fixture.actor(side, () => {
        runs += 1;
        if (runs === 1) throw new Error("once");
      }, { actorName: "fail" });
      const message = await side.broker.enqueue(
        fail.message().copy({ messageTimestamp: Date.now() - 60_000 }),
      );
      const worker = await fixture.work(side);
      assertEquals(await side.fates.of(message), ["nack"]);
      await side.control.cancelAll({ actor: fail });
      assertEquals(await fixture.dead(side), ["fail"]);
      for await (const dead of side.broker.deadLetters(fixture.queueName)) {
        assert(await dead.requeue());
      }
      await side.fates.of(message, 2);
      assertEquals([runs, worker.outcomes.cancelled], [2, 0]);
    },
  },
};

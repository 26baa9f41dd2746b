import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Broker, type Inspector, type Message, MiddlewareError } from "@dq/dramatiq";
import type { ChangeOutcome, MessageRef, MessageState } from "@dq/dramatiq/core";
import type { Fixture, Rules } from "./inspector_harness.ts";

const outcomesOf = (changes: readonly ChangeOutcome[]) => changes.map(({ outcome }) => outcome);

async function refs(fixture: Fixture, inspector: Inspector, state: MessageState) {
  const page = await inspector.list({ queueName: fixture.queueName, state });
  return page.messages.map(({ ref }) => ref);
}

/** Rules of changing. */
export const changing: Rules = {
  requeues: {
    rule: "change requeues dead letters with all hooks, once",
    async check(fixture) {
      const seen: string[] = [];
      const { broker, inspector } = fixture.open({
        beforeEnqueue: (_broker: Broker, { actorName }: Message) => void seen.push(actorName),
      });
      if (!fixture.can(inspector, "browse:dead", "remove")) return;
      await fixture.kill(broker, "dead", 3);
      seen.length = 0;
      const [newest, ...others] = await refs(fixture, inspector, "dead");
      assertEquals(outcomesOf(await inspector.change([newest!], "requeue")), ["done"]);
      assertEquals(seen, ["dead"]);
      assertEquals(outcomesOf(await inspector.change([newest!, ...others], "requeue")), [
        "gone",
        "done",
        "done",
      ]);
      assertEquals(await fixture.args(inspector, "dead"), []);
      await fixture.untilCount(inspector, "ready", 3);
      if (!fixture.can(inspector, "browse:ready")) return;
      assertEquals(await fixture.args(inspector, "ready"), [2, 1, 0]);
      const { messages: [first] } = await inspector.list({
        queueName: fixture.queueName,
        state: "ready",
      });
      assertEquals([first!.retries, first!.error], [0, undefined]);
    },
  },

  reportsRefusals: {
    rule: "change tells which dead letters a middleware refuses, and leaves them",
    async check(fixture) {
      let refuses = false;
      const { broker, inspector } = fixture.open({
        beforeEnqueue: () => {
          if (refuses) throw new MiddlewareError("not now");
        },
      });
      if (!fixture.can(inspector, "browse:dead", "remove")) return;
      await fixture.kill(broker, "dead", 1);
      refuses = true;
      const [ref] = await refs(fixture, inspector, "dead");
      const [change] = await inspector.change([ref!], "requeue");
      assert(change?.outcome === "failed" && change.error instanceof MiddlewareError);
      assertEquals((await refs(fixture, inspector, "dead")).length, 1);
    },
  },

  runsNow: {
    rule: "change puts delayed messages on their queue",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:delayed", "remove")) return;
      for (const n of [1, 2]) {
        await broker.enqueue(fixture.message("later", n), { delay: { minutes: n } });
      }
      const [first] = await refs(fixture, inspector, "delayed");
      assertEquals(outcomesOf(await inspector.change([first!], "runNow")), ["done"]);
      assertEquals(outcomesOf(await inspector.change([first!], "runNow")), ["gone"]);
      assertEquals(await fixture.args(inspector, "delayed"), [2]);
      await using consumer = broker.consume(fixture.queueName);
      const [delivery] = await consumer.receive(1);
      assertEquals([delivery!.args[0], delivery!.queueName], [1, fixture.queueName]);
      assertEquals(delivery!.option("eta"), undefined);
      await consumer.ack(delivery!);
    },
  },

  drops: {
    rule: "change drops messages of each state, and no others",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:ready", "remove")) return;
      await fixture.kill(broker, "dead", 2);
      await fixture.send(broker, "waiting", 5);
      for (const n of [1, 2]) {
        await broker.enqueue(fixture.message("later", n), { delay: { minutes: n } });
      }
      for (
        const [state, left] of [["dead", [1]], ["delayed", [1]], ["ready", [0, 2, 3]]] as const
      ) {
        const all = await refs(fixture, inspector, state);
        const dropped = state === "ready" ? [all[1]!, all[4]!] : [all[1]!];
        const outcomes = outcomesOf(await inspector.change(dropped, "drop"));
        assertEquals(outcomes, dropped.map(() => "done"));
        assertEquals(outcomesOf(await inspector.change([all[1]!], "drop")), ["gone"]);
        assertEquals(await fixture.args(inspector, state), [...left]);
        assertEquals(await inspector.get(all[1]!), undefined);
      }
    },
  },

  refusesChanges: {
    rule: "change refuses too many messages, and those of other states",
    async check(fixture) {
      const { inspector } = fixture.open();
      const ref: MessageRef = { queueName: fixture.queueName, state: "ready", key: "1" };
      const many = Array.from({ length: 501 }, () => ref);
      await assertRejects(() => inspector.change(many, "drop"), RangeError, "501");
      await assertRejects(() => inspector.change([ref], "requeue"), RangeError, "ready");
      await assertRejects(() => inspector.change([ref], "runNow"), RangeError, "ready");
      const fetched = { ...ref, state: "unacknowledged" } as const;
      await assertRejects(() => inspector.change([fetched], "drop"), RangeError, "unacknowledged");
    },
  },

  purges: {
    rule: "purge drops all messages of one state",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      const { queueName } = fixture;
      await fixture.kill(broker, "dead", 3);
      await fixture.send(broker, "waiting", 4);
      await using consumer = broker.consume(queueName, { prefetch: 1 });
      const [delivery] = await consumer.receive(1);
      for (const n of [1, 2]) {
        await broker.enqueue(fixture.message("later", n), { delay: { minutes: n } });
      }
      await fixture.untilCount(inspector, "delayed", 2);
      const counts = async () => {
        const { queues } = await inspector.overview();
        const queue = queues.find((one) => one.queueName === queueName)!;
        return [queue.ready, queue.delayed, queue.dead];
      };
      await fixture.untilCount(inspector, "ready", 3);
      assertEquals(await inspector.purge(queueName, "delayed"), 2);
      assertEquals(await counts(), [3, 0, 3]);
      assertEquals(await inspector.purge(queueName, "ready"), 3);
      assertEquals(await counts(), [0, 0, 3]);
      assertEquals(await inspector.purge(queueName, "dead"), 3);
      assertEquals(await counts(), [0, 0, 0]);
      await consumer.requeue(delivery!);
      const [again] = await consumer.receive(1);
      assertEquals(again!.messageId, delivery!.messageId);
      await consumer.ack(again!);
    },
  },
};

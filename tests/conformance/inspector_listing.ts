import { assert, assertEquals, assertRejects } from "@std/assert";
import type { InspectedMessage, MessageQuery } from "@dq/dramatiq/core";
import type { Inspector } from "@dq/dramatiq";
import { argOf, type Rules } from "./inspector_harness.ts";

/** Reads all pages of a query; between two of them something may happen. */
async function allPages(
  inspector: Inspector,
  query: MessageQuery,
  between: () => Promise<void> = async () => {},
): Promise<InspectedMessage[]> {
  const messages: InspectedMessage[] = [];
  let after: string | undefined;
  while (true) {
    const page = await inspector.list({ ...query, ...(after !== undefined && { after }) });
    messages.push(...page.messages);
    after = page.next;
    if (after === undefined) return messages;
    await between();
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Rules of reading. */
export const listing: Rules = {
  countsQueues: {
    rule: "overview counts the messages of each queue by state",
    async check(fixture) {
      const { queueName } = fixture;
      const { broker, inspector } = fixture.open();
      broker.declareQueue("empty");
      await fixture.kill(broker, "dead", 1);
      await fixture.send(broker, "waiting", 3);
      await broker.enqueue(fixture.message("later"), { delay: { minutes: 5 } });
      await fixture.untilCount(inspector, "ready", 3);
      await fixture.untilCount(inspector, "delayed", 1);
      const { queues, now } = await inspector.overview();
      assert(Math.abs(now - Date.now()) < 60_000);
      const { headSince, consumers: _consumers, unacknowledged, ...counts } = queues.find((queue) =>
        queue.queueName === queueName
      )!;
      assertEquals(counts, { queueName, ready: 3, delayed: 1, dead: 1 });
      if (fixture.can(inspector, "unacknowledged")) assertEquals(unacknowledged, 0);
      if (fixture.can(inspector, "headAge")) assert(Math.abs(headSince! - now) < 60_000);
      const empty = queues.find((queue) => queue.queueName === "empty")!;
      assertEquals([empty.ready, empty.delayed, empty.dead, empty.headSince], [0, 0, 0, undefined]);
    },
  },

  agesRetries: {
    rule: "overview tells the age of a retried message since its last retry",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "headAge")) return;
      const now = Date.now();
      const retried = (content: string) =>
        fixture.message(content).copy({
          messageTimestamp: now - 3_600_000,
          options: { requeueTimestamp: now - 20_000 },
        });
      broker.declareQueue("retried");
      await broker.enqueue(retried("short").copy({ queueName: "retried" }));
      await broker.enqueue(retried("long".repeat(5_000)));
      const { queues } = await inspector.overview();
      for (const queueName of ["retried", fixture.queueName]) {
        const { headSince } = queues.find((queue) => queue.queueName === queueName)!;
        assert(Math.abs(headSince! - now) < 60_000, `${queueName} ${headSince! - now}`);
      }
    },
  },

  countsUnacknowledged: {
    rule: "overview counts messages that workers have fetched",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "unacknowledged")) return;
      await fixture.send(broker, "waiting", 3);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      const [delivery] = await consumer.receive(1);
      await consumer.receive(1);
      await fixture.untilCount(inspector, "unacknowledged", 2);
      await fixture.untilCount(inspector, "ready", 1);
      await consumer.ack(delivery!);
      await fixture.untilCount(inspector, "unacknowledged", 1);
    },
  },

  discoversQueues: {
    rule: "overview finds queues that only others have declared",
    needs: "shares",
    async check(fixture) {
      const other = fixture.broker();
      other.declareQueue("theirs");
      const inspector = fixture.inspect(fixture.broker());
      await other.enqueue(fixture.message("waiting").copy({ queueName: "theirs" }));
      const { queues } = await inspector.overview();
      assertEquals(queues.find(({ queueName }) => queueName === "theirs")?.ready, 1);
    },
  },

  listsReady: {
    rule: "list gives ready messages in order, page by page",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:ready")) return;
      const { queueName } = fixture;
      const messages = await fixture.send(broker, "waiting", 7);
      const page = await inspector.list({ queueName, state: "ready", limit: 3 });
      assertEquals([page.total, page.scanned, page.movedTo], [7, 3, undefined]);
      const [first] = page.messages;
      assertEquals(
        [first!.messageId, first!.actorName, first!.sentAt, first!.retries, first!.isCut],
        [messages[0]!.messageId, "waiting", messages[0]!.messageTimestamp, 0, false],
      );
      const all = await allPages(inspector, { queueName, state: "ready", limit: 3 });
      assertEquals(all.map(argOf), range(0, 7));
      const last = await inspector.list({ queueName, state: "ready", limit: 7 });
      assertEquals(last.next, undefined);
    },
  },

  listsReadyThatMoves: {
    rule: "list neither repeats nor skips ready messages while others are taken",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:ready")) return;
      const { queueName } = fixture;
      await fixture.send(broker, "waiting", 12);
      await using consumer = broker.consume(queueName, { prefetch: 1 });
      const take = async () => await consumer.ack((await consumer.receive(1))[0]!);
      const all = await allPages(inspector, { queueName, state: "ready", limit: 4 }, take);
      assertEquals(all.map(argOf), range(0, 12));
    },
  },

  tellsOfMovedQueue: {
    rule: "list tells that a queue has moved past the end of the page before",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:ready")) return;
      const { queueName } = fixture;
      await fixture.send(broker, "waiting", 6);
      const { next } = await inspector.list({ queueName, state: "ready", limit: 2 });
      await using consumer = broker.consume(queueName, { prefetch: 4 });
      for (let left = 4; left > 0;) {
        const taken = await consumer.receive(left);
        await consumer.ack(taken);
        left -= taken.length;
      }
      await fixture.untilCount(inspector, "ready", 2);
      const page = await inspector.list({ queueName, state: "ready", after: next! });
      assert(page.movedTo !== undefined);
      assert(page.messages.length <= 2);
    },
  },

  listsDead: {
    rule: "list gives dead letters by death, the newest first, without those of meanwhile",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:dead")) return;
      const { queueName } = fixture;
      await fixture.kill(broker, "dead", 5);
      const page = await inspector.list({ queueName, state: "dead", limit: 2 });
      const [newest] = page.messages;
      assertEquals([page.total, newest!.error], [5, "RangeError: dead failed"]);
      assert(Math.abs(newest!.diedAt! - Date.now()) < 60_000);
      let deaths = 0;
      const dying = async () => {
        if (deaths++ === 0) await fixture.kill(broker, "later", 1);
      };
      const query = { queueName, state: "dead", limit: 2 } as const;
      const all = await allPages(inspector, query, dying);
      assertEquals(all.map(argOf), [4, 3, 2, 1, 0]);
      const oldest = await allPages(inspector, { ...query, order: "oldest" });
      assertEquals(oldest.map(argOf), [0, 1, 2, 3, 4, 0]);
    },
  },

  listsDelayed: {
    rule: "list gives delayed messages by eta",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:delayed")) return;
      const { queueName } = fixture;
      for (const minutes of [9, 3, 6]) {
        await broker.enqueue(fixture.message("later", minutes), { delay: { minutes } });
      }
      await fixture.work(broker); // some brokers sort them when a worker does
      await fixture.untilCount(inspector, "delayed", 3);
      const query = { queueName, state: "delayed", limit: 2 } as const;
      const all = await allPages(inspector, query);
      assertEquals(all.map(argOf), [3, 6, 9]);
      assert(Math.abs(all[0]!.eta! - Date.now() - 180_000) < 60_000);
      const latest = await allPages(inspector, { ...query, order: "newest" });
      assertEquals(latest.map(argOf), [9, 6, 3]);
    },
  },

  filters: {
    rule: "list filters by actor, error, id and time, within a budget",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:dead")) return;
      const { queueName } = fixture;
      await fixture.kill(broker, "first", 3);
      const [wanted] = await fixture.kill(broker, "second", 3);
      const list = async (filter: Partial<MessageQuery>) =>
        (await inspector.list({ queueName, state: "dead", ...filter })).messages.length;
      assertEquals(await list({ actorName: "first" }), 3);
      assertEquals(await list({ actorName: "first", limit: 2 }), 2);
      assertEquals(await list({ error: "SECOND FAILED" }), 3);
      assertEquals(await list({ messageId: wanted!.messageId }), 1);
      assertEquals(await list({ messageId: "unknown" }), 0);
      assertEquals(await list({ since: Date.now() - 60_000 }), 6);
      assertEquals(await list({ since: Date.now() + 60_000 }), 0);
      assertEquals(await list({ before: Date.now() - 60_000 }), 0);
      const some = { queueName, state: "dead", messageId: "unknown", scan: 4 } as const;
      const { scanned, next } = await inspector.list(some);
      assertEquals(scanned, 4);
      assertEquals((await inspector.list({ ...some, after: next! })).scanned, 2);
    },
  },

  cutsLongMessages: {
    rule: "list cuts long messages, and get has them whole",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:ready")) return;
      const { queueName } = fixture;
      const sent = await broker.enqueue(fixture.message("long", "ü".repeat(50_000)));
      const { messages: [listed] } = await inspector.list({ queueName, state: "ready" });
      assertEquals(
        [listed!.isCut, listed!.message, listed!.messageId, listed!.actorName, listed!.sentAt],
        [true, undefined, sent.messageId, "long", sent.messageTimestamp],
      );
      assert(listed!.data.length < 5_000 && listed!.size > 50_000, `${listed!.size}`);
      const whole = await inspector.get(listed!.ref);
      assertEquals(whole!.isCut, false);
      assertEquals(whole!.message?.args, sent.args);
    },
  },

  showsUndecodable: {
    rule: "list shows what cannot be decoded",
    needs: "putRaw",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "browse:ready")) return;
      const { queueName } = fixture;
      await fixture.harness.putRaw!(broker, queueName, "no message");
      const { messages: [shown] } = await inspector.list({ queueName, state: "ready" });
      assertEquals([shown!.message, shown!.messageId, shown!.size], [undefined, undefined, 10]);
      assert(shown!.decodeError !== undefined && shown!.error !== undefined);
    },
  },

  finds: {
    rule: "find looks for a message by its id in all states",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "find")) return;
      const [dead] = await fixture.kill(broker, "dead", 1);
      const later = await broker.enqueue(fixture.message("later"), { delay: { minutes: 5 } });
      const [ready] = await fixture.send(broker, "waiting", 2);
      for (const [message, state] of [[dead, "dead"], [later, "delayed"], [ready, "ready"]]) {
        if (!inspector.abilities.has(`browse:${state}` as "browse:dead")) continue;
        const found = await inspector.find((message as typeof later).messageId);
        assertEquals(found.messages.map(({ ref }) => ref.state as string), [state as string]);
        assert(found.isComplete);
      }
      assertEquals((await inspector.find("unknown")).messages, []);
    },
  },

  refusesNonsense: {
    rule: "an inspector refuses queues and numbers that make no sense",
    async check(fixture) {
      const { inspector } = fixture.open();
      const { queueName } = fixture;
      const state = "dead";
      await assertRejects(() => inspector.list({ queueName: "a b", state }), TypeError, "a b");
      await assertRejects(() => inspector.purge("a b", state), TypeError, "a b");
      const key = "1";
      await assertRejects(
        () => inspector.get({ queueName: "../x", state, key }),
        TypeError,
        "../x",
      );
      await assertRejects(() => inspector.list({ queueName, state, limit: 201 }), RangeError);
      await assertRejects(() => inspector.list({ queueName, state, limit: 0 }), RangeError);
      await assertRejects(() => inspector.list({ queueName, state, scan: 2_001 }), RangeError);
      await assertRejects(() => inspector.list({ queueName, state, scan: 0 }), RangeError);
      const gone = new AbortController();
      gone.abort(new RangeError("over"));
      if (!fixture.can(inspector, "browse:dead")) return;
      await assertRejects(
        () => inspector.list({ queueName, state }, { signal: gone.signal }),
        RangeError,
        "over",
      );
    },
  },
};

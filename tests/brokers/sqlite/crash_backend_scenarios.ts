import { assert, assertEquals } from "@std/assert";
import { actor, SqliteRateLimiterBackend, SqliteResultBackend } from "@dq/dramatiq";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { receiveCount, work } from "../../conformance/broker_messages.ts";
import {
  assertAllThere,
  type CrashScenario,
  LONG,
  makeDue,
  QUEUE,
  sendAll,
} from "./crash_scenarios.ts";

const TTL = 3_600_000;
const GROUP = "group";
const HOOK = { beforeDelayMessage() {} };

/** Verbs that run beside those that settle: requeueing, purges, results, limits. */
export const CRASH_BACKEND_SCENARIOS: Readonly<Record<string, CrashScenario>> = {
  requeuing: {
    prepare: (broker) => sendAll(broker, 3, LONG),
    async act(broker) {
      const consumer = broker.consume(QUEUE, { prefetch: 3 });
      const [first, ...rest] = await receiveCount(consumer, 3);
      await consumer.requeue(first!);
      await consumer.nack(rest);
      await consumer.close();
    },
    check: (left) => assertAllThere(left, 3),
  },

  promotingForMiddleware: {
    async prepare(broker) {
      await broker.enqueue(work(QUEUE, 0, LONG), { delay: TTL });
      await broker.enqueue(work(QUEUE, 1), { delay: TTL });
      await makeDue(broker);
    },
    async act(broker, confirm) {
      broker.addMiddleware(HOOK);
      const consumer = broker.consume(`${QUEUE}.DQ`, { prefetch: 2 });
      const due = await receiveCount(consumer, 2);
      for (const one of due) {
        await broker.enqueueDue(one);
        await consumer.ack(one);
      }
      confirm("promoted");
      await consumer.close();
    },
    check(left, confirmed) {
      assertAllThere(left, 2);
      if (confirmed.has("promoted")) assertEquals(left.messages, ["0 ready", "1 ready"]);
    },
  },

  dropping: {
    async prepare(broker) {
      await sendAll(broker, 2, LONG);
      await using consumer = broker.consume(QUEUE, { prefetch: 2 });
      await consumer.nack(await receiveCount(consumer, 2));
      await broker.enqueue(work(QUEUE, 2, LONG));
      await broker.enqueue(work(QUEUE, 3), { delay: TTL });
    },
    async act(broker, confirm) {
      for await (const dead of broker.deadLetters(QUEUE)) {
        await dead.drop();
        break;
      }
      confirm("dropped");
      await broker.flush(QUEUE);
      confirm("flushed");
    },
    check({ messages }, confirmed) {
      assertEquals(messages.includes("0 dead"), !confirmed.has("dropped") && messages.length > 3);
      if (!confirmed.has("dropped")) assert(messages.length >= 3);
      if (confirmed.has("flushed")) assertEquals(messages, []);
    },
  },

  purging: {
    async prepare(broker) {
      await sendAll(broker, 2, LONG);
      await using consumer = broker.consume(QUEUE, { prefetch: 2 });
      await consumer.nack(await receiveCount(consumer, 2));
      await broker.enqueue(work(QUEUE, 2));
      const connection = connectionOf(broker);
      await connection.writer.transact(() => {
        connection.statement("update dramatiq_messages set due=0 where state=3").run();
        for (const [table, marks] of Object.entries(EXPIRING)) {
          const insert = connection.statement(`insert into ${table} values(${marks})`);
          insert.run(...marks.split(",").map((_, i, { length }) => i === length - 1 ? 1 : 7));
          insert.run(...marks.split(",").map((_, i, { length }) => i === length - 1 ? 2 ** 50 : 8));
        }
      });
    },
    async act(broker, confirm) {
      const results = new SqliteResultBackend({ broker });
      const limits = new SqliteRateLimiterBackend({ broker });
      const connection = connectionOf(broker);
      await connection.open();
      connection.runMaintenance();
      await connection.writer.drained();
      await broker.getQueueMessageCounts(QUEUE); // throws if it was cut short
      confirm("purged");
      await results.close();
      await limits.close();
    },
    check({ messages, rows }, confirmed) {
      assert(messages.includes("2 ready"));
      const left = Object.keys(EXPIRING).map((table) => rows(table).length);
      assert(left.every((count) => count === 1 || count === 2), `${left}`);
      if (!confirmed.has("purged")) return;
      assertEquals([messages, left], [["2 ready"], left.map(() => 1)]);
    },
  },

  claiming: {
    prepare: (broker) => broker.connect(),
    async act(broker, confirm) {
      const once = actor((_n: number, _text: string) => {}, {
        broker,
        actorName: "once",
        unique: true,
      });
      await once.send(0, LONG);
      confirm("sent");
    },
    check(left, confirmed) {
      if (confirmed.has("sent") || left.messages.length > 0) assertAllThere(left, 1);
      const claims = left.rows("dramatiq_control").filter(({ value }) => value !== null);
      assertEquals(claims.length, left.messages.length);
    },
  },

  debouncing: {
    prepare: (broker) => broker.connect(),
    async act(broker, confirm) {
      const late = actor((_n: number) => {}, {
        broker,
        actorName: "late",
        debounce: { by: () => "", wait: 60_000 },
      });
      await late.send(0);
      confirm("sent");
      await late.send(1); // moves the first one
    },
    check(left, confirmed) {
      if (confirmed.has("sent") || left.messages.length > 0) assertAllThere(left, 1);
      const entries = left.rows("dramatiq_control").filter(({ value }) => value !== null);
      assertEquals(entries.length > 0, left.messages.length > 0);
    },
  },

  storingResults: {
    prepare: (broker) => broker.connect(),
    async act(broker, confirm) {
      const results = new SqliteResultBackend({ broker });
      await results.storeResult(work(QUEUE, 0), "kept", TTL);
      confirm("stored");
      await results.storeResult(work(QUEUE, 1), "at once forgotten", 0);
      await results.close();
    },
    check({ rows }, confirmed) {
      const { length } = rows("dramatiq_results");
      assert(length === 1 || (length === 0 && !confirmed.has("stored")), `${length}`);
    },
  },

  counting: {
    prepare: (broker) => broker.connect(),
    async act(broker, confirm) {
      const limits = new SqliteRateLimiterBackend({ broker });
      await limits.add("bucket", 2, TTL);
      await limits.incr("bucket", 3, 10, TTL);
      await limits.decr("bucket", 1, 0, TTL);
      await limits.incrAndSum("bucket", ["bucket"], 1, 10, TTL);
      confirm("counted");
      await limits.lease("mutex", "me", 1, TTL);
      confirm("leased");
      await limits.lease("mutex", "me", 1, 0);
      await limits.add(GROUP, 2, TTL);
      for (const member of ["a", "b"]) await limits.countMember(GROUP, member, TTL);
      await limits.concludeGroup(GROUP, TTL);
      await limits.waitNotify("barrier", TTL);
      confirm("notified");
      await limits.close();
    },
    check({ rows }, confirmed) {
      const counters = new Map(
        rows("dramatiq_counters").map(({ key, value }) => [key, Number(value)]),
      );
      if (confirmed.has("counted")) assertEquals(counters.get("bucket"), 5);
      const members = rows("dramatiq_members").filter(({ key }) => key === GROUP).length;
      const left = counters.get(GROUP);
      // The last member leaves the counter at 1, and the mark of a complete group in its place.
      if (left !== undefined && left < 3) {
        assertEquals(members, 2 - left + (counters.has(`${GROUP}@complete`) ? 1 : 0));
        assertEquals(counters.has(`${GROUP}@complete`), counters.has(`${GROUP}@claim`));
      }
      const leases = rows("dramatiq_members").length - members;
      if (!confirmed.has("leased")) assert(leases <= 1);
      if (!confirmed.has("notified")) return;
      assertEquals([leases, members, rows("dramatiq_signals").length], [0, 2, 1]);
    },
  },
};

/** Tables whose rows expire, with the places of their columns; the last is the time. */
const EXPIRING: Readonly<Record<string, string>> = {
  dramatiq_results: "?,?,?",
  dramatiq_counters: "?,?,?",
  dramatiq_members: "?,?,?",
  dramatiq_signals: "?,?",
};

/**
 * The rules of messages that replace each other, and of debounced ones.
 *
 * @module
 */
import { assertEquals, assertGreater } from "@std/assert";
import { currentMessage, Retry } from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import type { Fixture, Rules, Side } from "./broker_control_harness.ts";
import { receiveOne } from "./broker_messages.ts";
import { isDuplicate, noClaims } from "./claims_fixture.ts";

/** An actor whose messages are replaced until they start, and whose runs end when a test lets them. */
function replaced(fixture: Fixture, side: Side) {
  const runs: unknown[][] = [];
  const ends: (() => void)[] = [];
  const held = fixture.actor(side, async (key: string, n: number) => {
    const message = currentMessage()!;
    runs.push([key, n, message.option("maxAge"), message.messageId]);
    await new Promise<void>((resolve) => ends.push(resolve));
  }, {
    actorName: "held",
    unique: { by: (key: string) => key, onDuplicate: "replace" },
    timeLimit: Infinity, // no timer for what a test begins by itself
  });
  return {
    held,
    runs,
    started: (count: number) => eventually("start", () => runs.length >= count),
    end: () => ends.shift()!(),
  };
}

/** A debounced actor, and its runs. */
function debounced(fixture: Fixture, side: Side, times: { wait: number; maxWait?: number }) {
  const runs: { n: number; at: number }[] = [];
  const typed = fixture.actor(side, (_key: string, n: number) => {
    runs.push({ n, at: fixture.now });
  }, { actorName: "typed", debounce: { by: (key: string) => key, ...times } });
  return { typed, runs };
}

/** Rules of messages that replace each other until they start. */
export const replacing: Rules = {
  uniqueReplaced: {
    rule: "A unique message with onDuplicate: replace runs once, with what was sent last",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const { held, runs, started, end } = replaced(fixture, side);
      const also = other === side ? held : replaced(fixture, other).held;
      const first = await held.send("a", 1);
      const second = await also.send("a", 2);
      assertEquals([isDuplicate(second), second.messageId], [true, first.messageId]);
      const third = await held.sendWithOptions({ args: ["a", 3], maxAge: 1_000_000 });
      assertEquals([isDuplicate(third), third.messageId], [true, first.messageId]);
      assertEquals(isDuplicate(await also.send("b", 1)), false);
      await fixture.work(side, { concurrency: 1 });
      await started(1);
      assertEquals(runs, [["a", 3, 1_000_000, first.messageId]]);
      const next = await also.send("a", 4);
      assertEquals(isDuplicate(next), false); // that one has started
      end();
      await started(2);
      end();
      await started(3);
      assertEquals(runs.slice(1).map((run) => run.slice(0, 3)), [
        ["b", 1, undefined],
        ["a", 4, undefined],
      ]);
      end();
      await side.fates.of(next);
      assertEquals(await side.control.claims(), []);
      await eventually("forget the texts", async () => {
        const { entries } = await side.broker.controlStore!.read("claim/");
        return entries.length === 0;
      });
    },
  },

  uniqueReplacedInOrder: {
    rule: "Unique messages that a process sends in a row replace each other in that order",
    async check(fixture) {
      const side = fixture.open();
      const { held, runs, started, end } = replaced(fixture, side);
      const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => held.send("a", n)));
      assertEquals(new Set(sent.map(({ messageId }) => messageId)).size, 1);
      assertEquals(sent.map(isDuplicate), [false, ...Array(19).fill(true)]);
      await fixture.work(side);
      await started(1);
      assertEquals(runs.map((run) => run[1]), [19]);
      end();
    },
  },

  uniqueReplacedPrefetched: {
    rule:
      "A unique message that a worker has prefetched, or gets again, runs with what was sent last",
    async check(fixture) {
      const side = fixture.open();
      const { broker } = side;
      const { held } = replaced(fixture, side);
      const first = await held.send("a", 1);
      const consumer = broker.consume(fixture.queueName, { prefetch: 10 });
      let delivery = await receiveOne(consumer);
      assertEquals((await held.send("a", 2)).messageId, first.messageId);
      await consumer.requeue(delivery);
      delivery = await receiveOne(consumer);
      assertEquals((await held.send("a", 3)).messageId, first.messageId);
      await broker.emit("beforeProcessMessage", delivery);
      assertEquals([delivery.messageId, ...delivery.args], [first.messageId, "a", 3]);
      const next = await held.send("a", 4);
      assertEquals(isDuplicate(next), false);
      await consumer.requeue(delivery); // its worker dies
      const both = [await receiveOne(consumer), await receiveOne(consumer)];
      for (const one of both) await broker.emit("beforeProcessMessage", one);
      const args = new Map(both.map((one) => [one.messageId, one.args[1]]));
      assertEquals([args.get(first.messageId), args.get(next.messageId)], [3, 4]);
      await consumer.ack(both);
      await consumer.close();
    },
  },

  uniqueReplacedRetried: {
    rule:
      "A unique message that was replaced keeps its eta, and its latest arguments through retries",
    async check(fixture) {
      const side = fixture.open();
      const runs: unknown[] = [];
      let startedAt = Infinity;
      const failing = fixture.actor(side, (_key: string, n: number) => {
        startedAt = Math.min(startedAt, fixture.now);
        runs.push([n, currentMessage()!.option("retries") ?? 0]);
        if (runs.length < 3) throw new Retry("", { delay: 1 });
      }, {
        actorName: "failing",
        unique: { by: (key: string) => key, onDuplicate: "replace" },
        maxRetries: 5,
      });
      const first = await failing.sendWithOptions({ args: ["a", 1], delay: 300 });
      assertEquals((await failing.send("a", 2)).messageId, first.messageId);
      await fixture.work(side);
      await eventually("run three times", () => runs.length === 3);
      assertEquals(runs, [[2, 0], [2, 1], [2, 2]]);
      assertGreater(startedAt, Number(first.option("eta")) - 100);
      await side.fates.of(first, 3);
    },
  },

  debounced: {
    rule: "A debounced message runs once, with what was sent last, and only wait after that",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const { typed, runs } = debounced(fixture, side, { wait: 2_000 });
      const also = other === side ? typed : debounced(fixture, other, { wait: 2_000 }).typed;
      const first = await typed.send("a", 1);
      await fixture.work(side);
      await fixture.pass(60);
      const [second, third] = await also.sendMany([["a", 2], ["a", 3]]);
      assertEquals([first, second!, third!].map(isDuplicate), [false, true, true]);
      assertEquals(new Set([first, second!, third!].map((one) => one.messageId)).size, 1);
      assertGreater(Number(third!.option("eta")), Number(first.option("eta")));
      const last = await side.control.claims();
      assertEquals(last.map(({ messageId }) => messageId), [first.messageId]);
      await eventually("run", () => runs.length > 0);
      assertEquals(runs.map(({ n }) => n), [3]);
      assertGreater(runs[0]!.at, Number(third!.option("eta")) - 20);
      await noClaims(side);
      assertEquals(isDuplicate(await also.send("a", 4)), false);
    },
  },

  debouncedBounded: {
    rule: "A debounced message runs maxWait after the first one, though more come all the time",
    async check(fixture) {
      const side = fixture.open();
      const { typed, runs } = debounced(fixture, side, { wait: 1_500, maxWait: 2_000 });
      side.broker.addMiddleware({ beforeDelayMessage() {} }); // SQLite has another way without hooks
      await fixture.work(side);
      const first = await typed.send("a", 0);
      const eta = Number(first.option("eta"));
      let n = 0;
      while (runs.length === 0) {
        n += 1;
        await typed.send("a", n);
        await fixture.pass(20);
      }
      assertGreater(runs[0]!.at, eta + 500 - 20);
      assertGreater(runs[0]!.n, 0);
    },
  },
};

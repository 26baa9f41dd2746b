/**
 * The rules of unique messages, for brokers of every kind.
 *
 * @module
 */
import { assertEquals, assertGreater, assertNotEquals, assertRejects } from "@std/assert";
import {
  type ActorOptions,
  currentMessage,
  DuplicateMessage,
  group,
  type Message,
  pipeline,
  Retry,
} from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import {
  type BrokerControlHarness,
  Fixture,
  type Rules,
  type Side,
} from "./broker_control_harness.ts";
import { receiveOne } from "./broker_messages.ts";
import { declareTests } from "./rules.ts";

const isDuplicate = ({ isDuplicate }: Message) => isDuplicate;

/** An actor whose runs end when a test lets them. */
function holding(fixture: Fixture, side: Side, options: ActorOptions) {
  const runs: unknown[] = [];
  const ends: (() => void)[] = [];
  const held = fixture.actor(side, async (key: string, _rest?: number) => {
    runs.push(key);
    await new Promise<void>((resolve) => ends.push(resolve));
  }, { actorName: "held", ...options });
  return {
    held,
    runs,
    started: (count: number) => eventually("start", () => runs.length >= count),
    end: () => ends.shift()!(),
  };
}

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
    runs.push({ n, at: Date.now() });
  }, { actorName: "typed", debounce: { by: (key: string) => key, ...times } });
  return { typed, runs };
}

const noClaims = (side: Side) =>
  eventually("end the claims", async () => (await side.control.claims()).length === 0);

const rules: Rules = {
  uniqueKept: {
    rule: "A unique message is not sent while one of its key waits, and send gives that one",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const options = { unique: { by: (key: string) => key } };
      const { held } = holding(fixture, side, options);
      const also = other === side ? held : holding(fixture, other, options).held;
      const first = await held.send("a", 1);
      const second = await also.send("a", 2);
      assertEquals([isDuplicate(first), isDuplicate(second)], [false, true]);
      assertEquals(second.messageId, first.messageId);
      assertEquals(isDuplicate(await also.send("b", 2)), false);
      const [claim] = await other.control.claims({ actor: held });
      assertEquals(claim, {
        key: "held/a",
        actorName: "held",
        queueName: fixture.queueName,
        messageId: first.messageId,
      });
    },
  },

  uniqueByArguments: {
    rule:
      "A unique message without `by` goes by all its arguments, or by the uniqueKey it is given",
    async check(fixture) {
      const side = fixture.open();
      const plain = fixture.actor(side, (_value: unknown) => {}, {
        actorName: "plain",
        unique: true,
      });
      assertEquals(isDuplicate(await plain.send({ a: 1, b: 2 })), false);
      assertEquals(isDuplicate(await plain.send({ b: 2, a: 1 })), true);
      assertEquals(isDuplicate(await plain.send({ a: 1, b: 3 })), false);
      const keyed = (args: [unknown]) => plain.sendWithOptions({ args, uniqueKey: "k" });
      assertEquals(isDuplicate(await keyed([1])), false);
      assertEquals(isDuplicate(await keyed([2])), true);
      const many = await plain.sendMany([["x"], ["y"], ["x"]]);
      assertEquals(many.map(isDuplicate), [false, false, true]);
      assertEquals(many[2]!.messageId, many[0]!.messageId);
    },
  },

  uniqueFinished: {
    rule: "A unique message may be sent again once it is done, and not while it runs",
    async check(fixture) {
      const side = fixture.open();
      const { held, started, end } = holding(fixture, side, { unique: true });
      const first = await held.send("a");
      await fixture.work(side);
      await started(1);
      assertEquals(isDuplicate(await held.send("a")), true);
      end();
      await side.fates.of(first);
      await noClaims(side);
      assertEquals(isDuplicate(await held.send("a")), false);
      await started(2);
      end();
    },
  },

  uniqueStarted: {
    rule: "A unique message with until: started may be sent again once it runs",
    async check(fixture) {
      const side = fixture.open();
      const { held, started, end } = holding(fixture, side, { unique: { until: "started" } });
      await held.send("a");
      assertEquals(isDuplicate(await held.send("a")), true);
      await fixture.work(side, { concurrency: 1 });
      await started(1);
      assertEquals(isDuplicate(await held.send("a")), false);
      assertEquals(isDuplicate(await held.send("a")), true);
      end();
      await started(2);
      end();
    },
  },

  uniqueForTime: {
    rule: "A unique message with a time as until is not sent again in that time, done or not",
    async check(fixture) {
      const side = fixture.open();
      const { held, started, end } = holding(fixture, side, { unique: { until: { minutes: 5 } } });
      const first = await held.send("a");
      await fixture.work(side);
      await started(1);
      end();
      await side.fates.of(first);
      assertEquals(isDuplicate(await held.send("a")), true);
      assertEquals(await side.control.release("held/" + await keyOf(side)), true);
      assertEquals(isDuplicate(await held.send("a")), false);
    },
  },

  uniqueRetried: {
    rule: "A unique message keeps its claim through retries and delays, and is not refused by it",
    async check(fixture) {
      const side = fixture.open();
      const seen: unknown[] = [];
      const attempts = fixture.actor(side, async (key: string) => {
        const again = await attempts.send(key);
        seen.push([again.isDuplicate, again.messageId === currentMessage()!.messageId]);
        if (seen.length < 3) throw new Retry("", { delay: 1 });
      }, { actorName: "attempts", unique: true, maxRetries: 5 });
      await attempts.sendWithOptions({ args: ["a"], delay: 1 });
      assertEquals(isDuplicate(await attempts.send("a")), true);
      await fixture.work(side);
      await eventually("run three times", () => seen.length === 3);
      assertEquals(seen, [[true, true], [true, true], [true, true]]);
      await noClaims(side);
    },
  },

  uniqueFailed: {
    rule: "A unique message that failed ends its claim, and takes it again when it is requeued",
    async check(fixture) {
      const side = fixture.open();
      let isBad = true;
      const failing = fixture.actor(side, () => {
        if (isBad) throw new Error("bad");
      }, { actorName: "failing", unique: true });
      const first = await failing.send();
      const worker = await fixture.work(side);
      await side.fates.of(first);
      await noClaims(side);
      await worker.stop();
      isBad = false;
      const second = await failing.send();
      assertEquals(isDuplicate(second), false);
      for await (const dead of side.broker.deadLetters(fixture.queueName)) {
        const error = await assertRejects(() => dead.requeue(), DuplicateMessage);
        assertEquals(error.holder, second.messageId);
      }
      assertEquals((await fixture.dead(side)).length, 1);
      await side.control.release((await side.control.claims())[0]!.key);
      for await (const dead of side.broker.deadLetters(fixture.queueName)) await dead.requeue();
      const [claim] = await side.control.claims();
      assertEquals(claim!.messageId, first.messageId);
    },
  },

  uniqueThrown: {
    rule:
      "A unique message with onDuplicate: throw has send throw a DuplicateMessage with the holder",
    async check(fixture) {
      const side = fixture.open();
      const strict = fixture.actor(side, () => {}, {
        actorName: "strict",
        unique: { onDuplicate: "throw" },
      });
      const first = await strict.send();
      const error = await assertRejects(() => strict.send(), DuplicateMessage, first.messageId);
      assertEquals(error.holder, first.messageId);
    },
  },

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
        startedAt = Math.min(startedAt, Date.now());
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
      await new Promise((resolve) => setTimeout(resolve, 60));
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
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertGreater(runs[0]!.at, eta + 500 - 20);
      assertGreater(runs[0]!.n, 0);
    },
  },

  uniqueParts: {
    rule: "Members of groups and pipelines ask for no claim: others would wait for them for ever",
    async check(fixture) {
      const side = fixture.open();
      let runs = 0;
      const part = fixture.actor(side, () => void (runs += 1), {
        actorName: "part",
        unique: true,
        pipeIgnore: true,
      });
      await group([part.message(), part.message()], { broker: side.broker }).run();
      await pipeline([part.message(), part.message()], { broker: side.broker }).run();
      await fixture.work(side);
      await eventually("run all", () => runs === 4);
    },
  },

  uniqueFlushed: {
    rule: "A claim whose message is gone, however that came about, is taken over by the next one",
    async check(fixture) {
      const side = fixture.open();
      const { held } = holding(fixture, side, { unique: true });
      const first = await held.send("a");
      await held.sendWithOptions({ args: ["b"], delay: { hours: 1 } });
      await side.broker.flush(fixture.queueName);
      const again = await held.send("a");
      assertEquals(isDuplicate(again), false);
      assertNotEquals(again.messageId, first.messageId);
      assertEquals(isDuplicate(await held.send("b")), false);
      assertEquals(isDuplicate(await held.send("a")), true);
    },
  },

  uniqueCancelled: {
    rule: "A unique message that is cancelled ends its claim",
    async check(fixture) {
      const side = fixture.open();
      const { held } = holding(fixture, side, { unique: true });
      const first = await held.send("a");
      await first.cancel();
      await fixture.work(side);
      await side.fates.of(first);
      await noClaims(side);
    },
  },
};

async function keyOf({ control }: Side): Promise<string> {
  return (await control.claims())[0]!.key.slice("held/".length);
}

/**
 * Declares the tests of all rules for one broker.
 *
 * @param harness The broker.
 */
export function brokerClaimsConformance(harness: BrokerControlHarness): void {
  declareTests(harness, rules, () => new Fixture(harness));
}

/**
 * The rules of unique messages, for brokers of every kind.
 *
 * @module
 */
import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  type ActorOptions,
  currentMessage,
  DuplicateMessage,
  group,
  pipeline,
  Retry,
  Snooze,
} from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import {
  type BrokerControlHarness,
  Fixture,
  type Rules,
  type Side,
} from "./broker_control_harness.ts";
import { replacing } from "./broker_replacing.ts";
import { isDuplicate, noClaims } from "./claims_fixture.ts";
import { declareTests } from "./rules.ts";

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

const rules: Rules = {
  ...replacing,

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
    rule: "A unique message keeps its claim through retries, snoozes and delays, which it passes",
    async check(fixture) {
      const side = fixture.open();
      const seen: unknown[] = [];
      const attempts = fixture.actor(side, async (key: string) => {
        const again = await attempts.send(key);
        seen.push([again.isDuplicate, again.messageId === currentMessage()!.messageId]);
        if (seen.length === 1) throw new Snooze(1);
        if (seen.length === 2) throw new Retry("", { delay: 1 });
      }, { actorName: "attempts", unique: true, maxRetries: 1 });
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

import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { actor, currentMessage, group, pipeline, Worker } from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import type { Rules } from "./broker_harness.ts";

/** Messages that belong together, and the message that an actor runs for. */
export const composition: Rules = {
  pipelineAcrossQueues: {
    // Reference: pipeline
    rule: "Pipeline runs its messages one after the other, each on its own queue",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const other = fixture.newQueueName();
      const ran: string[] = [];
      const double = actor(function double(n: number) {
        ran.push(`double ${n}`);
        return 2 * n;
      }, { broker, queueName });
      const add = actor(function add(a: number, b: number) {
        ran.push(`add ${a} ${b}`);
        return a + b;
      }, { broker, queueName: other });
      await using worker = new Worker(broker);
      await worker.start();
      await pipeline(
        [double.message(1), add.message(10), double.message(), add.message(100)],
        { broker },
      ).run({ delay: 10 });
      for (const name of [queueName, other, queueName, other]) await broker.join(name);
      assertEquals(ran, ["double 1", "add 10 2", "double 12", "add 100 24"]);
    },
  },

  pipelineDelay: {
    // Reference: pipeline.run
    rule: "Pipeline delays a message that has a delay of its own",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const at: number[] = [];
      const tick = actor(function tick(_before: number) {
        at.push(broker.clock.now());
        return at.length;
      }, { broker, queueName });
      await using worker = new Worker(broker);
      await worker.start();
      const last = tick.messageWithOptions({ args: [], delay: 100 });
      await pipeline([tick.message(0), last], { broker }).run();
      await broker.join(queueName);
      assertEquals(at.length, 2);
      assertGreaterOrEqual(at[1]! - at[0]!, 100);
    },
  },

  pipelineStops: {
    rule: "Pipeline ends with the message that fails for good",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: string[] = [];
      const fail = actor(function fail() {
        ran.push("fail");
        throw new Error("no further");
      }, { broker, queueName, maxRetries: 0 });
      const next = actor(() => void ran.push("next"), { broker, queueName, actorName: "next" });
      await using worker = new Worker(broker);
      await worker.start();
      await pipeline([fail.message(), next.message()], { broker }).run();
      await broker.join(queueName);
      assertEquals(ran, ["fail"]);
      assertEquals((await fixture.deadLetters(broker)).length, 1);
    },
  },

  groupAcrossQueues: {
    // Reference: group
    rule: "Group runs all its members, pipelines and groups included, whatever their queues",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const other = fixture.newQueueName();
      const ran: string[] = [];
      const here = actor(function here(text: string) {
        ran.push(`here ${text}`);
        return "piped";
      }, { broker, queueName });
      const there = actor(function there(text: string) {
        ran.push(`there ${text}`);
      }, { broker, queueName: other });
      await using worker = new Worker(broker);
      await worker.start();
      await group([
        here.message("a"),
        there.message("b"),
        pipeline([here.message("c"), there.message()], { broker }),
        group([here.message("d"), there.message("e")], { broker }),
      ], { broker }).run();
      await broker.join(queueName);
      await broker.join(other);
      const all = ["here a", "here c", "here d", "there b", "there e", "there piped"];
      assertEquals(ran.toSorted(), all);
    },
  },

  currentMessage: {
    rule: "currentMessage gives each actor its own message, before and after it waits",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const seen = new Map<number, unknown[]>();
      const look = actor(async function look(n: number) {
        const before = currentMessage()!;
        await nextTurn();
        const after = currentMessage()!;
        seen.set(n, [before.messageId, after.messageId, before.args[0], before.queueName]);
      }, { broker, queueName });
      const sent = await look.sendMany(Array.from({ length: 30 }, (_, n): [number] => [n]));
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(currentMessage(), undefined);
      for (const [n, { messageId }] of sent.entries()) {
        assertEquals(seen.get(n), [messageId, messageId, n, queueName]);
      }
    },
  },
};

import { assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import {
  actor,
  currentMessage,
  type Message,
  type MessageProxy,
  UndecodableMessage,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import type { Rules } from "./broker_harness.ts";
import { countReceived, textOf, work } from "./broker_messages.ts";
import { assertSpelled, spelledMessages } from "./broker_payloads.ts";

/** Retries at once: what is tested is that they come, not when. */
const AT_ONCE = { minBackoff: 1, maxBackoff: 1 };

/** Rules of what a worker makes of messages. */
export const working: Rules = {
  workExactlyOnce: {
    // Reference: Worker
    rule: "Worker runs each of 5,000 messages exactly once, 8 at a time",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const seen: number[] = [];
      let running = 0;
      let peak = 0;
      const count = actor(async function count(n: number) {
        peak = Math.max(peak, ++running);
        await nextTurn();
        running -= 1;
        seen.push(n);
      }, { broker, queueName });
      const values = Array.from({ length: 5_000 }, (_, i) => i);
      await count.sendMany(values.map((n): [number] => [n]));
      await using worker = new Worker(broker, { concurrency: 8 });
      await worker.start();
      await broker.join(queueName);
      await worker.join();
      assertEquals(seen.toSorted((a, b) => a - b), values);
      assertEquals(peak, 8);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  workShared: {
    rule: "Worker shares a queue with one of another broker object, each message running once",
    async check(fixture) {
      const { queueName } = fixture;
      const brokers = [await fixture.open(), await fixture.open()];
      const seen: number[] = [];
      const [count] = brokers.map((broker) =>
        actor(async function count(n: number) {
          await nextTurn();
          seen.push(n);
        }, { broker, queueName })
      );
      const values = Array.from({ length: 1_000 }, (_, i) => i);
      await using first = new Worker(brokers[0]!);
      await using second = new Worker(brokers[1]!);
      await Promise.all([first.start(), second.start()]);
      await count!.sendMany(values.map((n): [number] => [n]));
      await brokers[0]!.join(queueName);
      assertEquals(seen.toSorted((a, b) => a - b), values);
    },
  },

  workByPriority: {
    // Reference: Actor.priority
    rule: "Worker takes the messages in flight by the priority of their actors, lower first",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const gate = Promise.withResolvers<void>();
      const order: string[] = [];
      const hold = actor(() => gate.promise, { broker, queueName, actorName: "hold" });
      const later = actor(() => void order.push("later"), {
        broker,
        queueName,
        actorName: "later",
        priority: 10,
      });
      const sooner = actor(() => void order.push("sooner"), {
        broker,
        queueName,
        actorName: "sooner",
        priority: -10,
      });
      // 8 slots are taken, and as many messages more are in flight: twice the concurrency.
      for (const each of [hold, later, sooner]) {
        await each.sendMany(Array.from({ length: each === hold ? 8 : 4 }, () => []));
      }
      const received = countReceived(broker, queueName);
      await using worker = new Worker(broker, { concurrency: 8 });
      await worker.start();
      await received(16);
      await nextTurn();
      gate.resolve();
      await broker.join(queueName);
      const fourTimes = (name: string) => Array.from({ length: 4 }, () => name);
      assertEquals(order, [...fourTimes("sooner"), ...fourTimes("later")]);
    },
  },

  workUnknownActor: {
    rule: "Worker dead-letters messages for an unknown actor and goes on",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: string[] = [];
      const known = actor((text: string) => void ran.push(text), {
        broker,
        queueName,
        actorName: "known",
      });
      const strange = await broker.enqueue(work(queueName, 1));
      await broker.enqueue(work(queueName, 2), { delay: 1 });
      await known.send("after");
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(ran, ["after"]);
      const dead = await fixture.deadLetters(broker);
      assertEquals(dead.map((message) => message.args).toSorted(), [[1], [2]]);
      assertEquals(dead.find(({ args }) => args[0] === 1)!.messageId, strange.messageId);
    },
  },

  workUndecodable: {
    rule: "Worker dead-letters what is no message, bytes kept, tells afterUndecodable, and goes on",
    needs: "putRaw",
    async check(fixture) {
      const heard: string[] = [];
      const hook = (name: string) => (_: unknown, { message }: MessageProxy) => {
        if (message instanceof UndecodableMessage) heard.push(name);
      };
      const broker = await fixture.open([{
        afterUndecodable: hook("afterUndecodable"),
        afterNack: hook("afterNack"),
        beforeNack: hook("beforeNack"),
        afterAck: hook("afterAck"),
      }]);
      const { harness, queueName } = fixture;
      const ran: number[] = [];
      const sound = actor((n: number) => void ran.push(n), {
        broker,
        queueName,
        actorName: "sound",
      });
      await sound.send(1);
      await harness.putRaw!(broker, queueName, "{ no message");
      await harness.putRaw!(broker, queueName, new Uint8Array([0xff, 0xfe]));
      await sound.send(2);
      await using worker = new Worker(broker, { concurrency: 1 });
      await worker.start();
      await broker.join(queueName);
      assertEquals(ran, [1, 2]);
      const dead = await fixture.deadLetters(broker);
      const [bytes, text, ...others] = dead.toSorted((a, b) =>
        a.encode().length - b.encode().length
      );
      assertEquals(text instanceof UndecodableMessage, true);
      assertEquals(textOf(text!.encode()), "{ no message");
      assertEquals([...bytes!.encode()], [0xff, 0xfe]);
      assertEquals(others, []);
      await worker.stop();
      assertEquals(heard, ["afterUndecodable", "afterUndecodable"]);
    },
  },

  workRetries: {
    rule: "Worker retries a failing actor, then dead-letters it with its retries and traceback",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const retries: unknown[] = [];
      const fail = actor(function fail(_text: string) {
        retries.push(currentMessage()!.option("retries"));
        throw new RangeError(`failure ${retries.length}`);
      }, { broker, queueName, maxRetries: 2, ...AT_ONCE });
      const sent = await fail.send("in vain");
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(retries, [undefined, 1, 2]);
      const [dead, ...others] = await fixture.deadLetters(broker);
      assertEquals(others, []);
      assertEquals(dead!.messageId, sent.messageId);
      assertEquals(dead!.args, ["in vain"]);
      assertEquals(dead!.queueName, queueName);
      assertEquals(dead!.option("retries"), 3);
      assertEquals(dead!.option("eta"), undefined);
      assertStringIncludes(String(dead!.option("traceback")), "RangeError: failure 3");
    },
  },

  workSpellingThroughRetry: {
    rule: "Worker keeps the spelling of numbers and the order of keys through a retry",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const runs = new Map<string, Message[]>();
      actor(function spell(...args: unknown[]) {
        args.length = 0; // what an actor does to its arguments is its own affair
        const message = currentMessage()!;
        const ofMessage = runs.get(message.messageId) ?? [];
        runs.set(message.messageId, [...ofMessage, message]);
        if (ofMessage.length < 2) throw new Error("again");
      }, { broker, queueName, ...AT_ONCE });
      const sent = await broker.enqueueMany(spelledMessages(queueName, "spell"));
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      for (const [run, retries] of [undefined, 1, 2].entries()) {
        const messages = sent.map(({ messageId }) => runs.get(messageId)![run]!);
        assertSpelled(messages);
        for (const message of messages) assertEquals(message.option("retries"), retries);
      }
    },
  },

  workDelayed: {
    rule: "Worker runs delayed messages not before their eta, beside those that are due",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: string[] = [];
      let ranAt = 0;
      const note = actor(function note(text: string) {
        ran.push(text);
        ranAt = broker.clock.now();
      }, { broker, queueName });
      await using worker = new Worker(broker);
      await worker.start();
      const delayed = await note.sendWithOptions({ args: ["delayed"], delay: 1_000 });
      await note.send("at once");
      await broker.join(queueName);
      assertEquals(ran, ["at once", "delayed"]);
      assertGreaterOrEqual(ranAt, delayed.option("eta") as number);
    },
  },

  workTooOld: {
    rule: "Worker dead-letters a message past its age limit, with that reason on it",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      let runs = 0;
      const aged = actor(() => void (runs += 1), { broker, queueName, actorName: "aged" });
      const old = aged.messageWithOptions({ maxAge: 1_000 })
        .copy({ messageTimestamp: Date.now() - 3_600_000 });
      await broker.enqueue(old);
      await aged.send();
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(runs, 1);
      const [dead, ...others] = await fixture.deadLetters(broker);
      assertEquals(others, []);
      const reason = `Message ${old.messageId} is past its age limit of 1000 ms`;
      assertStringIncludes(String(dead!.option("traceback")), reason);
    },
  },

  workLeavesNothing: {
    rule: "Worker leaves nothing in the storage of messages that succeeded, failed or were delayed",
    needs: "countMessages",
    async check(fixture) {
      const broker = await fixture.open();
      const { harness, queueName } = fixture;
      const fickle = actor(function fickle(n: number) {
        if (n % 3 === 0) throw new Error("no luck");
      }, { broker, queueName, maxRetries: 1, ...AT_ONCE });
      const calls = Array.from({ length: 30 }, (_, n): [number] => [n]);
      await fickle.sendMany(calls);
      await fickle.sendMany(calls, { delay: 20 });
      assertEquals(await harness.countMessages!(broker, queueName), 60);
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      await worker.join();
      assertEquals(await harness.countMessages!(broker, queueName), 0);
      assertEquals((await fixture.deadLetters(broker)).length, 20);
    },
  },
};

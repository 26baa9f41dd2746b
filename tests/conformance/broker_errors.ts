import { assert, assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import { actor, type Broker, ConnectionClosed, type Message, pipeline, Worker } from "@dq/dramatiq";
import type { Rules } from "./broker_harness.ts";
import { withEnvironment } from "../support/environment.ts";

/** Rules of what must not be lost when connections fail. */
export const errors: Rules = {
  consumerRestarts: {
    rule: "Worker receives again after its connections were cut, and loses nothing",
    needs: "breakConnections",
    async check(fixture) {
      const broker = await fixture.open();
      const { harness, queueName } = fixture;
      const seen = new Set<number>();
      const reached = new Map([10, 20, 30].map((n) => [n, Promise.withResolvers<void>()]));
      const note = actor(function note(n: number) {
        seen.add(n);
        reached.get(seen.size)?.resolve();
      }, { broker, queueName });
      const sendTen = (from: number) =>
        note.sendMany(Array.from({ length: 10 }, (_, i): [number] => [from + i]));
      await withEnvironment({ dramatiq_restart_delay: "10" }, async () => {
        await using worker = new Worker(broker);
        await worker.start();
        for (const cut of [10, 20]) {
          await sendTen(cut - 10);
          await reached.get(cut)!.promise;
          await harness.breakConnections!(broker);
        }
        await sendTen(20);
        await reached.get(30)!.promise;
        await broker.join(queueName);
      });
      assertEquals([...seen].toSorted((a, b) => a - b), Array.from({ length: 30 }, (_, i) => i));
    },
  },

  retryNotStored: {
    rule: "Worker stores a retry again that could not be stored at first",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      let runs = 0;
      const flaky = actor(function flaky() {
        runs += 1;
        if (runs < 3) throw new Error("again");
      }, { broker, queueName, minBackoff: 1, maxBackoff: 1 });
      await flaky.send();
      const failures = failStoreOnce(broker, (message) => message.option("retries") === 1);
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(failures(), 1);
      assertEquals(runs, 3); // and two retries, of which one was stored at the second attempt
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  pipelineNotStored: {
    rule: "Worker stores the next of a pipeline again that could not be stored at first",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: string[] = [];
      const first = actor(function first() {
        ran.push("first");
        return "result";
      }, { broker, queueName });
      const second = actor(function second(text: string) {
        ran.push(`second ${text}`);
      }, { broker, queueName });
      await pipeline([first.message(), second.message()], { broker }).run();
      const failures = failStoreOnce(broker, (message) => message.actorName === "second");
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(failures(), 1);
      assertEquals(ran, ["first", "second result"]);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  followUpUnstorable: {
    rule: "Worker dead-letters a message whose follow-up can never be stored, with the reason",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const first = actor(function first(): unknown {
        return 10n;
      }, { broker, queueName });
      const second = actor(function second(_value: unknown) {}, { broker, queueName });
      await pipeline([first.message(), second.message()], { broker }).run();
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      const [dead, ...others] = await fixture.deadLetters(broker);
      assertEquals(others, []);
      assertEquals(dead!.actorName, "first");
      assertStringIncludes(String(dead!.option("traceback")), "pipeline");
    },
  },

  delayedNotMoved: {
    rule: "Worker loses no delayed message that it cannot put on its queue",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      let runs = 0;
      const late = actor(() => void (runs += 1), { broker, queueName, actorName: "late" });
      await late.sendWithOptions({ delay: 20 });
      // A broker that moves it by itself does not store it again, and has nothing to fail at.
      const failures = failStoreOnce(broker, (message) => message.queueName === queueName);
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertGreaterOrEqual(1, failures());
      assertEquals(runs, 1);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  enqueueFails: {
    rule: "Broker.enqueue rejects when the message is not stored, and afterEnqueue is not called",
    async check(fixture) {
      const stored: unknown[] = [];
      const broker = await fixture.open([{
        afterEnqueue: (_broker, message) => void stored.push(message.args[0]),
      }]);
      const { queueName } = fixture;
      const note = actor((_text: string) => {}, { broker, queueName, actorName: "note" });
      const failures = failStoreOnce(broker, (message) => message.args[0] === "lost");
      let thrown: unknown;
      await note.send("lost").catch((error) => thrown = error);
      assert(thrown instanceof ConnectionClosed, `it threw ${thrown}`);
      assertEquals(failures(), 1);
      await note.send("kept");
      assertEquals(stored, ["kept"]);
    },
  },
};

/**
 * Makes a broker fail once to store a message, as if its connection was lost.
 *
 * @returns A function that returns how often it failed: 0 or 1.
 */
function failStoreOnce(broker: Broker, matches: (message: Message) => boolean): () => number {
  let failures = 0;
  // `store` is protected, and exactly where a connection fails.
  const open = broker as unknown as { store: (messages: readonly Message[]) => unknown };
  const store = open.store.bind(broker);
  open.store = (messages) => {
    if (failures === 0 && messages.some(matches)) {
      failures += 1;
      throw new ConnectionClosed("The connection was cut by a test");
    }
    return store(messages);
  };
  return () => failures;
}

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  actor,
  ConnectionClosed,
  group,
  pipeline,
  ResultFailure,
  Results,
  ResultTimeout,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { LONG, newMessage } from "./result_backend_keeping.ts";
import type { ResultRules } from "./result_backend.ts";

/** Waits for longer than any test. */
const forLong = { block: true, timeout: 300_000 };

/** Number of waiters at once where that matters. */
const CROWD = 1_000;

/** Rules for waiting for results. */
export const waiting: ResultRules = {
  wakes: {
    rule: "getResult waits for a result that this backend stores",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      const result = backend.getResult(message, forLong);
      await backend.getResult(newMessage()).catch(() => {}); // it looks, and finds nothing
      await backend.storeResult(message, "here", LONG);
      assertEquals(await result, "here");
    },
  },

  wokenByOthers: {
    // Reference: ResultBackend.get_result
    rule: "getResult waits for results and failures that another backend stores",
    async check(fixture) {
      const [here, there] = [fixture.open(), fixture.open()];
      const messages = Array.from({ length: 20 }, () => newMessage());
      for (const [i, message] of messages.entries()) {
        const result = here.getResult(message, forLong);
        if (i % 2 === 0) await there.getResult(newMessage()).catch(() => {});
        if (i % 5 === 0) {
          const rejection = assertRejects(() => result, ResultFailure, "nope");
          await there.storeException(message, new Error("nope"), { ttl: LONG });
          await rejection;
        } else {
          await there.storeResult(message, i, LONG);
          assertEquals(await result, i);
        }
      }
    },
  },

  crowd: {
    rule: "a thousand wait for results of their own, and each gets it",
    async check(fixture) {
      const [here, there] = [fixture.open(), fixture.open()];
      const messages = Array.from({ length: CROWD }, () => newMessage());
      const results = messages.map((message) => here.getResult(message, forLong));
      await there.getResult(newMessage()).catch(() => {});
      await Promise.all(messages.map((message, i) => there.storeResult(message, i, LONG)));
      assertEquals(await Promise.all(results), messages.map((_, i) => i));
    },
  },

  crowdOfOne: {
    rule: "many wait for one result, those too who come later",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      const early = Array.from({ length: 50 }, () => backend.getResult(message, forLong));
      await backend.getResult(newMessage()).catch(() => {});
      early.push(backend.getResult(message, forLong));
      await backend.storeResult(message, 1, LONG);
      early.push(backend.getResult(message, forLong));
      assertEquals(await Promise.all(early), early.map(() => 1));
    },
  },

  timeouts: {
    rule: "each wait ends at its own time, also one below a second",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      const ended: number[] = [];
      await Promise.all(
        [120, 300, 20].map((timeout) =>
          assertRejects(() => backend.getResult(message, { block: true, timeout }), ResultTimeout)
            .then(() => ended.push(timeout))
        ),
      );
      assertEquals(ended, [20, 120, 300]);
    },
  },

  aborts: {
    rule: "a signal that aborts ends its own wait, with its reason",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      const controller = new AbortController();
      const other = backend.getResult(message, forLong);
      const { signal } = controller;
      const results = [message, newMessage()].map((message) =>
        backend.getResult(message, { ...forLong, signal })
      );
      const reason = new Error("enough");
      controller.abort(reason);
      for (const result of await Promise.allSettled(results)) {
        assertEquals(result, { status: "rejected", reason });
      }
      const late = await Promise.allSettled([
        backend.getResult(message, { ...forLong, signal }),
        backend.getResult(message, { signal }),
      ]);
      for (const result of late) assertEquals(result, { status: "rejected", reason });
      await backend.storeResult(message, 1, LONG);
      assertEquals(await other, 1);
    },
  },

  strangeTimeouts: {
    rule: "getResult refuses a timeout that is no number, and takes Infinity",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      for (const timeout of [NaN, "10"]) {
        const options = { block: true, timeout: timeout as number };
        await assertRejects(() => backend.getResult(message, options), TypeError);
      }
      const endless = backend.getResult(message, { block: true, timeout: Infinity });
      await backend.storeResult(message, 1, LONG);
      assertEquals(await endless, 1);
    },
  },

  closes: {
    rule: "close fails all waiters",
    async check(fixture) {
      const backend = fixture.open();
      const results = Array.from({ length: 10 }, () => backend.getResult(newMessage(), forLong));
      const outcomes = Promise.allSettled(results);
      await backend.close();
      for (const outcome of await outcomes) {
        assert(outcome.status === "rejected" && outcome.reason instanceof ConnectionClosed);
      }
      await backend.close();
      const late = [
        () => backend.getResult(newMessage()),
        () => backend.getResult(newMessage(), forLong),
        () => backend.storeResult(newMessage(), 1, LONG),
      ];
      for (const call of late) await assertRejects(call, ConnectionClosed, "it is closed");
    },
  },

  outage: {
    rule: "waiters survive a restart of the server",
    needs: "restart",
    async check(fixture) {
      const [here, there] = [fixture.open(), fixture.open()];
      const messages = Array.from({ length: 200 }, () => newMessage());
      const results = messages.map((message) => here.getResult(message, forLong));
      await there.getResult(newMessage()).catch(() => {});
      await fixture.harness.restart!();
      results.push(here.getResult(messages[0]!, forLong));
      for (const [i, message] of messages.entries()) await there.storeResult(message, i, LONG);
      assertEquals(await Promise.all(results), [...messages.keys(), 0]);
    },
  },

  composes: {
    rule: "messages, pipelines and groups give their results through Results and a worker",
    async check(fixture) {
      const backend = fixture.open();
      const broker = new StubBroker();
      broker.addMiddleware(new Results({ backend, storeResults: true }));
      const add = actor((a: number, b: number) => a + b, { broker, actorName: "add" });
      const fail = actor(() => {
        throw new RangeError("too far");
      }, { broker, actorName: "fail", maxRetries: 0 });
      await using worker = new Worker(broker);
      await worker.start();

      const sum = pipeline([add.message(1, 2), add.message(3), add.message(4)], { broker });
      const sums = group([add.message(1, 1), sum, group([add.message(2, 2)], { broker })], {
        broker,
      });
      await sums.run();
      await sums.wait({ timeout: 60_000 });
      assertEquals(await Array.fromAsync(sums.getResults()), [2, 10, [4]]);
      assertEquals(await Array.fromAsync(sum.getResults()), [3, 6, 10]);
      assertEquals([await sums.completed, await sums.completedCount], [true, 3]);
      assertEquals([await sum.completed, await sum.completedCount], [true, 3]);

      const failed = await fail.send();
      const failure = await assertRejects(
        () => failed.getResult({ backend, ...forLong }),
        ResultFailure,
      );
      assertEquals([failure.origExcType, failure.origExcMsg], ["RangeError", "too far"]);
    },
  },
};

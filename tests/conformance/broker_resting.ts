import { assert } from "@std/assert";
import { actor, Worker } from "@dq/dramatiq";
import { withEnvironment } from "../support/environment.ts";
import type { Fixture, Rules } from "./broker_harness.ts";

/** At 750 the default prefetch is one and a half times what the largest fetch brings. */
const CONCURRENCIES = [1, 8, 749, 750, 800, 1_000, 5_000];
/** Many times more than maintenance takes, and far less than any busy loop. */
const MAX_IDLE_CALLS = 25;
/** The first looks may still see the end of the work. */
const LOOKS = 10;

/** Rules of an idle worker: next to nothing, however many it could run. */
export const resting: Rules = {
  ...Object.fromEntries(CONCURRENCIES.map((concurrency) => [`restAt${concurrency}`, {
    rule: `Worker rests while it is idle, at a concurrency of ${concurrency}`,
    needs: "countIdleCalls" as const,
    check: (fixture: Fixture) => checkRest(fixture, { concurrency }),
  }])),

  restWithPrefetch: {
    rule: "Worker rests while it is idle, with dramatiq_queue_prefetch at 1,500",
    needs: "countIdleCalls",
    async check(fixture) {
      await withEnvironment(
        { dramatiq_queue_prefetch: "1500" },
        () => checkRest(fixture, { concurrency: 8 }),
      );
    },
  },

  restOnManyQueues: {
    rule: "Worker rests while it is idle, on 300 queues at a concurrency of 750",
    needs: "countIdleCalls",
    check: (fixture) => checkRest(fixture, { concurrency: 750, queues: 300 }),
  },

  restBeside: {
    rule: "Worker rests while it is idle, beside another one of its broker object",
    needs: "countIdleCalls",
    check: (fixture) => checkRest(fixture, { concurrency: 750, workers: 2 }),
  },

  restWhileRunning: {
    rule: "Worker rests while all that it has runs, with room for more",
    needs: "countIdleCalls",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const running = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const hold = actor(async () => {
        running.resolve();
        await released.promise;
      }, { broker, queueName, actorName: "hold" });
      await using worker = new Worker(broker, { concurrency: 800 });
      await worker.start();
      await hold.send();
      await running.promise;
      await assertRests(fixture, broker);
      released.resolve();
      await broker.join(queueName);
    },
  },
};

/** Plan of what is to rest. */
interface Plan {
  concurrency: number;
  queues?: number;
  workers?: number;
}

async function checkRest(fixture: Fixture, { concurrency, queues = 1, workers = 1 }: Plan) {
  const broker = await fixture.open();
  const { queueName } = fixture;
  for (let i = 1; i < queues; i++) broker.declareQueue(fixture.newQueueName());
  const note = actor(() => {}, { broker, queueName, actorName: "note" });
  const all = Array.from({ length: workers }, () => new Worker(broker, { concurrency }));
  try {
    for (const worker of all) await worker.start();
    await note.send();
    await broker.join(queueName);
    await assertRests(fixture, broker);
  } finally {
    await Promise.all(all.map((worker) => worker.stop()));
  }
}

async function assertRests(fixture: Fixture, broker: Parameters<Fixture["deadLetters"]>[0]) {
  const counts: number[] = [];
  for (let look = 0; look < LOOKS; look++) {
    const count = await fixture.harness.countIdleCalls!(broker);
    if (count <= MAX_IDLE_CALLS) return;
    counts.push(count);
  }
  assert(false, `It does not rest: ${counts.join(", ")} calls`);
}

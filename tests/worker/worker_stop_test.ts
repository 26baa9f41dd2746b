import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  AsyncIO,
  ConnectionClosed,
  type ConsumeOptions,
  type Consumer,
  FollowUpNotStored,
  InlineExecutor,
  type Middleware,
  Retries,
  SkipMessage,
  StubBroker,
  TimeLimitExceeded,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

const never = () => new Promise<void>(() => {});

/** A worker that has taken up one message, with a hook or actor that never ends. */
async function stuckIn(middleware: Middleware, run: () => unknown = () => {}) {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, failFast: false });
  broker.addMiddleware(middleware);
  const work = actor(run, { broker, actorName: "work" });
  const worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await work.send();
  await clock.settle();
  return { clock, broker, work, worker };
}

const HANGING: Record<string, Middleware> = {
  beforeProcessMessage: { beforeProcessMessage: never },
  afterProcessMessage: { afterProcessMessage: never },
  beforeAck: { beforeAck: never },
  afterAck: { afterAck: never },
  afterSkipMessage: { afterSkipMessage: never },
};

for (const [hook, middleware] of Object.entries(HANGING)) {
  test(`Worker.stop ends in time though ${hook} never does`, async () => {
    // The message is only skipped when its actor is given up.
    const run = hook === "afterSkipMessage" ? never : undefined;
    const { clock, worker } = await stuckIn(middleware, run);
    await clock.waitFor(worker.stop(50));
    assertEquals(clock.pendingTimers, 0);
  });
}

/** Hears of no acknowledgement, as a server does that is away. */
class DeafBroker extends StubBroker {
  /** Lets through what was acknowledged so far gets through. */
  hear: () => void = () => {};

  override consume(queueName: string, options?: ConsumeOptions): Consumer {
    const consumer = super.consume(queueName, options);
    const { ack } = consumer;
    consumer.ack = async (messages) => {
      await new Promise<void>((resolve) => this.hear = resolve);
      await ack.call(consumer, messages);
    };
    return consumer;
  }
}

/** A worker that has run a message and cannot acknowledge it. */
async function deaf() {
  const clock = new FakeClock();
  const broker = new DeafBroker({ clock, failFast: false });
  const work = actor(() => {}, { broker, actorName: "work" });
  const worker = new Worker(broker);
  await worker.start();
  await work.send();
  await clock.settle();
  return { clock, broker, worker };
}

test("Worker.stop gives up acknowledgements after some seconds, whatever its timeout", async () => {
  const { clock, worker } = await deaf();
  const start = clock.now();
  await clock.waitFor(worker.stop());
  assertEquals(clock.now() - start, 5_000);
  assertEquals(clock.pendingTimers, 0);
});

test("Worker.stop waits for acknowledgements that get through, however slowly", async () => {
  const { clock, broker, worker } = await deaf();
  const stopped = worker.stop();
  await clock.advance(4_900);
  broker.hear();
  await stopped;
  await using consumer = broker.consume("default");
  const receiving = consumer.receive(1);
  await clock.settle();
  await consumer.close();
  assertEquals(await receiving, []);
});

for (
  const timeout of [{ timeout: 3_000 }, "3000", null, NaN, 3_000n, new AbortController().signal]
) {
  test(`Worker.stop does not take ${String(timeout)} for a number of milliseconds`, async () => {
    const { clock, worker } = await stuckIn({}, never);
    await assertRejects(() => worker.stop(timeout as number), TypeError, "must be a number");
    await clock.settle();
    assertEquals(worker.running.length, 1);
    assertThrows(() => new Worker(worker.broker, { timeout: timeout as number }), TypeError);
    await clock.waitFor(worker.stop(0));
  });
}

test("Worker.stop waits for slow acknowledgements one after the other, and for slow hooks", async () => {
  const clock = new FakeClock();
  const broker = new DeafBroker({ clock, failFast: false });
  let hasEnded = false;
  broker.addMiddleware({
    afterAck: async () => {
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 20_000));
      hasEnded = true;
    },
  });
  const work = actor(() => {}, { broker, actorName: "work" });
  const worker = new Worker(broker);
  await worker.start();
  await work.send();
  await clock.settle();
  const hearFirst = broker.hear;
  await work.send();
  await clock.settle();
  const stopped = worker.stop();
  await clock.advance(4_000);
  hearFirst();
  await clock.advance(4_000);
  broker.hear();
  await clock.waitFor(stopped);
  assertEquals(hasEnded, true);
});

test("Worker.stop does not wait for less than no time", async () => {
  const { clock, worker } = await stuckIn({}, never);
  await assertRejects(() => worker.stop(-1), RangeError, "-1 ms");
  await clock.waitFor(worker.stop(0));
});

test("Worker.stop gives back a message whose hook never ends: it runs elsewhere", async () => {
  const { clock, broker, worker } = await stuckIn(HANGING["beforeProcessMessage"]!);
  await clock.waitFor(worker.stop(50));
  await using consumer = broker.consume("default");
  assertEquals((await consumer.receive(1)).length, 1);
});

test("Worker.stop does not give back a message whose retry is stored", async () => {
  // First in the list, so the last of the after hooks: Retries has stored the retry by then.
  const hanging: Middleware = { afterProcessMessage: never };
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, middleware: [hanging, new Retries()] });
  const work = actor(() => Promise.reject(new Error("nope")), { broker, actorName: "work" });
  const worker = new Worker(broker);
  await worker.start();
  await work.send();
  await clock.settle();
  await clock.waitFor(worker.stop(50));
  const consumer = broker.consume("default");
  const waiting = consumer.receive(1);
  await clock.settle();
  await consumer.close();
  assertEquals(await waiting, []);
  await clock.advance(60_000);
  await using delayed = broker.consume("default.DQ");
  assertEquals((await delayed.receive(1))[0]?.options.retries, 1);
});

test("Worker.stop called again with less time gives up earlier", async () => {
  const { clock, worker } = await stuckIn({}, never);
  const stopping = worker.stop(3_600_000);
  await clock.settle();
  const startedAt = clock.now();
  worker.stop(10);
  await clock.waitFor(stopping);
  assert(clock.now() - startedAt < 10_000, `${clock.now() - startedAt}`);
});

test("TimeLimit ends a message whose hooks take too long before its actor", async () => {
  const ends: unknown[] = [];
  let ran = 0;
  const { clock, worker } = await stuckIn({
    beforeProcessMessage: never,
    afterProcessMessage: (_broker, _message, { exception }) => void ends.push(exception),
  }, () => ran++);
  await clock.advance(600_000);
  assertEquals([ran, ends.map((end) => end instanceof TimeLimitExceeded)], [0, [true]]);
  await clock.waitFor(worker.stop(0));
});

for (const hook of ["afterSkipMessage", "afterNack", "afterEnqueue", "afterAck"] as const) {
  for (const kind of ["thrown", "rejected"] as const) {
    test(`Worker goes on after a FollowUpNotStored ${kind} in ${hook}`, async () => {
      const broker = new StubBroker({ failFast: false });
      const error = new FollowUpNotStored("not here");
      broker.addMiddleware({
        [hook]() {
          if (kind === "rejected") return Promise.reject(error);
          throw error;
        },
      });
      const work = actor((n: number) => {
        if (n === 1) throw new SkipMessage("not this one");
        if (n === 2) throw new Error("nope");
      }, { broker, actorName: "work", maxRetries: 0 });
      await using worker = new Worker(broker, { concurrency: 1 });
      await worker.start();
      for (const n of [1, 2, 3, 1, 2, 3]) await work.send(n);
      await broker.join("default", { timeout: 60_000 });
      await worker.join();
      // What has to outlive a message that was skipped keeps that message, too.
      assertEquals(broker.allDeadLetters.length, hook === "afterSkipMessage" ? 4 : 2);
    });
  }
}

test("Worker survives whatever an actor throws or returns", async () => {
  const broker = new StubBroker({ failFast: false });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const odd: (() => unknown)[] = [
    () => {
      throw proxy;
    },
    () => Promise.reject(proxy),
    () => {
      throw Object.defineProperty(new Error(), "message", {
        get() {
          throw new Error("no message");
        },
      });
    },
    () => ({
      then() {
        throw new Error("no promise");
      },
    }),
    () => {
      throw Object.create(null);
    },
  ];
  const work = actor((n: number) => odd[n]!(), { broker, actorName: "work", maxRetries: 0 });
  broker.addMiddleware({ beforeProcessMessage: () => Promise.resolve() });
  await using worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  for (let n = 0; n < odd.length; n++) await work.send(n);
  await broker.join("default", { timeout: 60_000 });
  assertEquals(broker.allDeadLetters.length, odd.length);
});

test("Worker that cannot start its executor leaves no consumer and no watcher behind", async () => {
  class BrokenExecutor extends InlineExecutor {
    override start(): void {
      throw new Error("no threads here");
    }
  }
  const broker = new StubBroker();
  const work = actor(function work() {}, { broker });
  const { length } = broker.middleware;
  const broken = new Worker(broker, { executor: new BrokenExecutor() });
  await assertRejects(() => broken.start(), Error, "no threads here");
  assertEquals(broker.middleware.length, length);
  await using worker = new Worker(broker);
  await worker.start();
  await work.send();
  await broker.join("default", { timeout: 60_000 });
});

test("Worker does not move a delayed message in a tight circle while the server is away", async () => {
  class AwayBroker extends StubBroker {
    attempts = 0;
    protected override store(): void {
      this.attempts += 1;
      throw new ConnectionClosed("away");
    }
    keep(message: Parameters<StubBroker["store"]>[0]): void {
      super.store(message);
    }
  }
  const clock = new FakeClock();
  const broker = new AwayBroker({ clock });
  const work = actor(function work() {}, { broker });
  broker.keep([work.message().copy({ queueName: "default.DQ", options: { eta: 1 } })]);
  const worker = new Worker(broker);
  await worker.start();
  await clock.advance(10_000);
  assert(broker.attempts > 1 && broker.attempts <= 12, `${broker.attempts} attempts in 10 s`);
  await clock.waitFor(worker.stop());
});

test("AsyncIO stops watching with the last worker, not before", async () => {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, middleware: [new AsyncIO()] });
  const [one, two] = [new Worker(broker), new Worker(broker)];
  await one.start();
  await two.start();
  assertEquals(clock.pendingTimers, 1);
  await clock.waitFor(one.stop());
  assertEquals(clock.pendingTimers, 1);
  await clock.waitFor(two.stop());
  assertEquals(clock.pendingTimers, 0);
});

test("Worker refuses queues that are no list, and an executor that is none", () => {
  const broker = new StubBroker();
  for (const queues of ["default", 5, null, {}]) {
    const bad = { queues: queues as unknown as string[] };
    assertThrows(() => new Worker(broker, bad), TypeError, "queues must be a list of names");
  }
  const executor = "fiber" as "inline";
  assertThrows(
    () => new Worker(broker, { executor }),
    TypeError,
    "on fiber: it is not an executor",
  );
});

test("Worker refuses modules without an executor, since the default one imports none", () => {
  const modules = [import.meta.url];
  assertThrows(
    () => new Worker(new StubBroker(), { modules }),
    TypeError,
    "Cannot create Worker: modules are for threads and processes; set executor to",
  );
  new Worker(new StubBroker(), { modules, executor: "inline" }); // by a setting, perhaps
});

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import {
  actor,
  ConnectionClosed,
  type ConsumeOptions,
  type Consumer,
  InlineExecutor,
  type Middleware,
  StubBroker,
  type StubBrokerOptions,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import { toList } from "../../core/consumer.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A broker that counts its open consumers. */
class CountingBroker extends StubBroker {
  openConsumers = 0;
  /** Maximum of messages that a consumer had in flight. */
  peak = 0;
  /** Error of the next call of `receive`. */
  receiveError: Error | undefined;

  override consume(queueName: string, options?: ConsumeOptions): Consumer {
    const consumer = super.consume(queueName, options);
    const { receive, ack, close } = consumer;
    let out = 0;
    this.openConsumers += 1;
    consumer.receive = async (...args) => {
      const messages = await receive.apply(consumer, args);
      out += messages.length;
      this.peak = Math.max(this.peak, out);
      if (this.receiveError === undefined || queueName.endsWith(".DQ")) return messages;
      const error = this.receiveError;
      this.receiveError = undefined;
      throw error;
    };
    consumer.ack = (messages) => {
      out -= toList(messages).length;
      return ack.call(consumer, messages);
    };
    let closed = false;
    consumer.close = () => {
      if (!closed) this.openConsumers -= 1;
      closed = true;
      return close.call(consumer);
    };
    return consumer;
  }
}

/** A broker of one queue, with a list of what its worker hooks saw. */
function withHooks(options: StubBrokerOptions = {}) {
  const events: string[] = [];
  const note = (name: string) => () => void events.push(name);
  const middleware: Middleware = {
    beforeWorkerBoot: note("beforeWorkerBoot"),
    afterWorkerBoot: note("afterWorkerBoot"),
    beforeWorkerShutdown: note("beforeWorkerShutdown"),
    afterWorkerShutdown: note("afterWorkerShutdown"),
  };
  const broker = new CountingBroker({ middleware: [middleware], ...options });
  broker.declareQueue("default");
  return { broker, events };
}

test("Worker refuses a concurrency that is not a whole number above 0", () => {
  const broker = new StubBroker();
  for (const count of [0, -1, 2.5, NaN, Infinity]) {
    assertThrows(() => new Worker(broker, { concurrency: count }), RangeError, `${count}`);
    assertThrows(() => new Worker(broker, { threads: count }), RangeError, `${count}`);
  }
});

test("Worker refuses a timeout below 0", () => {
  const broker = new StubBroker();
  assertThrows(() => new Worker(broker, { timeout: -1 }), RangeError, "-1 ms");
  new Worker(broker, { timeout: 0 });
  new Worker(broker, { timeout: Infinity });
});

test("Worker takes threads for concurrency, which counts when both are given", () => {
  const broker = new StubBroker();
  assertEquals(new Worker(broker).executor.concurrency, 8);
  assertEquals(new Worker(broker, { threads: 3 }).executor.concurrency, 3);
  assertEquals(new Worker(broker, { threads: 3, concurrency: 5 }).executor.concurrency, 5);
  const executor = new InlineExecutor({ concurrency: 2 });
  assertEquals(new Worker(broker, { executor }).executor, executor);
});

// Reference: Worker.start
test("Worker.start refuses to start a second time", async () => {
  const { broker, events } = withHooks();
  const worker = new Worker(broker);
  await worker.start();
  await assertRejects(() => worker.start(), TypeError, "started or stopped before");
  await worker.stop();
  await assertRejects(() => worker.start(), TypeError, "started or stopped before");
  assertEquals(events.filter((event) => event === "beforeWorkerBoot").length, 1);
});

test("Worker.start runs nothing before an asynchronous afterWorkerThreadBoot is done", async () => {
  const events: string[] = [];
  const broker = new StubBroker({
    middleware: [{
      async afterWorkerThreadBoot() {
        for (let turn = 0; turn < 5; turn++) await nextTurn();
        events.push("booted");
      },
    }],
  });
  const note = actor(() => void events.push("ran"), { broker, actorName: "note" });
  await note.send();
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  assertEquals(events, ["booted", "ran"]);
});

test("Worker.stop can be called again and again: it stops once", async () => {
  const { broker, events } = withHooks();
  {
    await using worker = new Worker(broker);
    await worker.start();
    await Promise.all([worker.stop(), worker.stop(0)]);
    await worker.stop();
  }
  assertEquals(events, [
    "beforeWorkerBoot",
    "afterWorkerBoot",
    "beforeWorkerShutdown",
    "afterWorkerShutdown",
  ]);
  assertEquals(broker.openConsumers, 0);
});

test("Worker.stop before start does nothing, and leaves no worker that cannot be stopped", async () => {
  const { broker, events } = withHooks();
  const worker = new Worker(broker);
  await worker.stop();
  assertEquals(events, []);
  await worker.start().catch((error) => assert(error instanceof TypeError, `${error}`));
  await worker.stop();
  assertEquals(broker.openConsumers, 0);
});

test("Worker.stop while it starts leaves no worker behind", async () => {
  const { broker } = withHooks();
  const worker = new Worker(broker);
  const starting = worker.start().catch(() => {});
  await worker.stop();
  await starting;
  await worker.stop();
  assertEquals(broker.openConsumers, 0);
});

test("Worker stops when it is disposed of", async () => {
  const { broker, events } = withHooks();
  {
    await using worker = new Worker(broker);
    await worker.start();
    assert(broker.openConsumers > 0);
  }
  assertEquals(events.at(-1), "afterWorkerShutdown");
  assertEquals(broker.openConsumers, 0);
});

// Reference: Worker.join
test("Worker.join waits until no message runs and all are settled on the broker", async () => {
  const { broker } = withHooks();
  const gate = Promise.withResolvers<void>();
  const hold = actor(() => gate.promise, { broker, actorName: "hold" });
  await using worker = new Worker(broker, { concurrency: 2 });
  await worker.start();
  await worker.join();
  await hold.sendMany([[], [], []]);
  await nextTurn();
  let joined = false;
  const joining = worker.join().then(() => joined = true);
  await nextTurn();
  assert(!joined);
  gate.resolve();
  await joining;
  await broker.join("default", { timeout: 0 });
});

test("Worker.join resolves when a paused worker stops and gives back what it had in flight", async () => {
  const { broker } = withHooks();
  const gate = Promise.withResolvers<void>();
  const hold = actor(() => gate.promise, { broker, actorName: "hold" });
  await hold.sendMany([[], []]);
  const worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await nextTurn(); // one runs, one is in flight
  worker.pause();
  gate.resolve();
  await nextTurn();
  const joining = worker.join();
  await worker.stop();
  await deadline(joining, 1_000);
});

test("Worker never has more messages in flight than the prefetch: twice the concurrency", async () => {
  const { broker } = withHooks();
  const pass = actor(() => nextTurn(), { broker, actorName: "pass" });
  await pass.sendMany(Array.from({ length: 300 }, () => []));
  await using worker = new Worker(broker, { concurrency: 4 });
  await worker.start();
  await broker.join("default");
  assertEquals(broker.peak, 8);
});

test("Worker does not start messages whose consumer has failed: they are delivered again", async () => {
  const clock = new FakeClock();
  const { broker } = withHooks({ clock });
  const gate = Promise.withResolvers<void>();
  const runs: number[] = [];
  const hold = actor((n: number) => {
    runs.push(n);
    return gate.promise;
  }, { broker, actorName: "hold" });
  await hold.sendMany([[0], [1], [2]]);
  await using worker = new Worker(broker, { concurrency: 2 });
  await worker.start();
  await clock.settle();
  assertEquals(runs, [0, 1]); // 2 is in flight; there is room for one more
  broker.receiveError = new ConnectionClosed("cut");
  await hold.send(3);
  await clock.settle();
  gate.resolve();
  await clock.waitFor(broker.join("default"));
  // 0 and 1 were running, and may have been done. 2 and 3 were not.
  const counts = [2, 3].map((n) => runs.filter((one) => one === n).length);
  assertEquals(counts, [1, 1]);
});

test("Worker counts messages by outcome", async () => {
  const broker = new StubBroker();
  let attempts = 0;
  const flaky = actor(function flaky() {
    attempts += 1;
    if (attempts === 1) throw new Error("once");
  }, { broker, minBackoff: 1 });
  const broken = actor(function broken() {
    throw new Error("always");
  }, { broker, maxRetries: 0 });
  await using worker = new Worker(broker);
  await worker.start();
  await flaky.send();
  await broker.join("default");
  await broken.send();
  await assertRejects(() => broker.join("default"), Error, "always");
  await worker.join();
  const { done, retried, failed, lost } = worker.outcomes;
  assertEquals([done, retried, failed, lost], [1, 1, 1, 0]);
});

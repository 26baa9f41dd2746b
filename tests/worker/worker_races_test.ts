import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import {
  actor,
  type Broker,
  type ConsumeOptions,
  type Consumer,
  InlineExecutor,
  type MessageProxy,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import { receiveOne } from "../conformance/broker_messages.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** Milliseconds: long beside anything here, short beside the ten minutes that a stop may take. */
const LONG = 10_000;

/** An executor that starts when the test lets it, and writes down what it is asked to do. */
class SlowExecutor extends InlineExecutor {
  readonly events: string[] = [];
  readonly gate: PromiseWithResolvers<void> = Promise.withResolvers();

  override async start(broker: Broker): Promise<void> {
    await this.gate.promise;
    await super.start(broker);
    this.events.push("started");
  }

  override stop(): void | Promise<void> {
    this.events.push("stopped");
    return super.stop();
  }
}

test("Worker.stop while it starts stops what has started, not before", async () => {
  const executor = new SlowExecutor();
  const worker = new Worker(new StubBroker(), { executor });
  const starting = worker.start();
  const stopping = worker.stop();
  await nextTurn();
  executor.gate.resolve();
  await Promise.all([starting, stopping]);
  assertEquals(executor.events, ["started", "stopped"]);
});

test("Worker.start runs nothing before an asynchronous afterWorkerBoot is done", async () => {
  const events: string[] = [];
  const boot = Promise.withResolvers<void>();
  const broker = new StubBroker({
    middleware: [{ afterWorkerBoot: () => boot.promise.then(() => void events.push("booted")) }],
  });
  const note = actor(() => void events.push("ran"), { broker, actorName: "note" });
  await note.send();
  await using worker = new Worker(broker);
  const starting = worker.start();
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  boot.resolve();
  await starting;
  await broker.join("default");
  assertEquals(events, ["booted", "ran"]);
});

test("Worker.stop stops its executor when its actors have ended, not before", async () => {
  const events: string[] = [];
  const broker = new StubBroker({
    middleware: [{ beforeWorkerThreadShutdown: () => void events.push("shutdown") }],
  });
  const gate = Promise.withResolvers<void>();
  const hold = actor(() => gate.promise.then(() => void events.push("ended")), {
    broker,
    actorName: "hold",
  });
  await hold.send();
  const worker = new Worker(broker);
  await worker.start();
  await nextTurn();
  const stopping = worker.stop();
  await nextTurn();
  gate.resolve();
  await stopping;
  assertEquals(events, ["ended", "shutdown"]);
});

test("Worker.stop starts nothing more, even while its hooks take their time", async () => {
  const hook = Promise.withResolvers<void>();
  const broker = new StubBroker({ middleware: [{ beforeWorkerShutdown: () => hook.promise }] });
  const gate = Promise.withResolvers<void>();
  const begun: number[] = [];
  const hold = actor((n: number) => {
    begun.push(n);
    return gate.promise;
  }, { broker, actorName: "hold" });
  await hold.sendMany([[0], [1]]);
  const worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await nextTurn(); // 0 runs, 1 is in flight
  const stopping = worker.stop();
  gate.resolve(); // there is room for 1 now
  await nextTurn();
  hook.resolve();
  await stopping;
  assertEquals(begun, [0]);
  await using consumer = broker.consume("default");
  assertEquals((await receiveOne(consumer)).args, [1]);
});

test("Worker.stop gives back what arrives while it stops", async () => {
  const arrival = Promise.withResolvers<void>();
  class LateBroker extends StubBroker {
    isLate = true;

    override consume(queueName: string, options?: ConsumeOptions): Consumer {
      const consumer = super.consume(queueName, options);
      if (!this.isLate || queueName !== "default") return consumer;
      const { receive } = consumer;
      consumer.receive = async (limit): Promise<MessageProxy[]> => {
        const messages = await receive.call(consumer, limit); // whatever the signal says
        await arrival.promise;
        return messages;
      };
      return consumer;
    }
  }
  const broker = new LateBroker();
  let runs = 0;
  const work = actor(() => void runs++, { broker, actorName: "work" });
  await work.send();
  const worker = new Worker(broker);
  await worker.start();
  await nextTurn();
  const stopping = worker.stop();
  await nextTurn();
  arrival.resolve();
  await deadline(stopping, LONG);
  assertEquals(runs, 0);
  broker.isLate = false;
  await using consumer = broker.consume("default");
  assertEquals((await receiveOne(consumer)).actorName, "work");
});

test("Worker that has stopped takes nothing from a queue that is declared later", async () => {
  const broker = new StubBroker();
  const worker = new Worker(broker);
  await worker.start();
  await worker.stop();
  const late = actor(() => {}, { broker, actorName: "late", queueName: "late" });
  await late.send();
  await nextTurn();
  await using consumer = broker.consume("late");
  assertEquals((await receiveOne(consumer)).actorName, "late");
});

test("Worker that is paused takes nothing from a queue that is declared meanwhile", async () => {
  const clock = new FakeClock(); // it stands still: a worker gives back what it has after a second
  const broker = new StubBroker({ clock });
  let runs = 0;
  const worker = new Worker(broker);
  await worker.start();
  worker.pause();
  const work = actor(() => void runs++, { broker, actorName: "work", queueName: "new" });
  await work.send();
  await clock.settle();
  {
    await using consumer = broker.consume("new");
    assertEquals((await deadline(receiveOne(consumer), LONG)).actorName, "work");
  }
  worker.resume();
  await clock.waitFor(broker.join("new"));
  assertEquals(runs, 1);
  await clock.waitFor(worker.stop());
});

test("Worker.join of a paused worker waits for what is in flight, until it goes on", async () => {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock });
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const hold = actor((n: number) => gates[n]!.promise, { broker, actorName: "hold" });
  await hold.sendMany([[0], [1]]);
  await using worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await clock.settle(); // 0 runs, 1 is in flight
  worker.pause();
  let hasJoined = false;
  const joining = worker.join().then(() => hasJoined = true);
  gates[0]!.resolve();
  await clock.settle();
  assertEquals(hasJoined, false);
  worker.resume();
  gates[1]!.resolve();
  await deadline(joining, LONG);
});

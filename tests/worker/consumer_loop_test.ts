import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import {
  ConnectionClosed,
  Consumer,
  MessageProxy,
  MiddlewareError,
  StubBroker,
} from "@dq/dramatiq";
import { ConsumerLoop } from "../../worker/consumer_loop.ts";
import { firstArgs, receiveCount, work } from "../conformance/broker_messages.ts";
import { test } from "../support/test.ts";
import { end, loopOver } from "./consumer_loop_fixture.ts";

test("ConsumerLoop delivers in order, and asks for no more than there is room for", async () => {
  const { clock, broker, loop, delivered, send, args } = loopOver(3);
  await send(0, 1, 2, 3, 4);
  loop.start();
  await clock.settle();
  assertEquals(args(), [0, 1, 2]);
  for (const { message, settlement } of delivered.slice(0, 2)) settlement.settle(message, "done");
  await clock.settle();
  assertEquals(args(), [0, 1, 2, 3, 4]);
  assertEquals(broker.events, ["consume 3", "receive 3", "ack 2", "receive 2"]);
  await end(loop);
});

test("ConsumerLoop never asks for a larger prefetch than AMQP can count", async () => {
  const { clock, broker, loop } = loopOver(1_000_000);
  loop.start();
  await clock.settle();
  assertEquals(broker.events, ["consume 65535", "receive 65535"]);
  await end(loop);
});

test("ConsumerLoop.pause receives nothing until resume", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  loop.pause("worker");
  loop.start();
  await send(0);
  await clock.settle();
  assertEquals(args(), []);
  loop.resume("worker");
  await clock.settle();
  assertEquals(args(), [0]);
  loop.pause("worker");
  loop.pause("worker");
  await send(1);
  await clock.settle();
  assertEquals(args(), [0]);
  loop.resume("worker");
  await clock.settle();
  assertEquals(args(), [0, 1]);
  assertEquals(broker.events.filter((event) => event.startsWith("consume")).length, 1);
  await end(loop);
});

test("ConsumerLoop.stopReceiving ends every kind of wait", async () => {
  const waits: Record<string, (fixture: ReturnType<typeof loopOver>) => unknown> = {
    message: () => {},
    room: ({ send }) => send(0, 1, 2, 3),
    resume: ({ loop }) => loop.pause("worker"),
    restart: ({ broker }) => broker.receiveErrors.push(new ConnectionClosed("cut")),
  };
  for (const [name, prepare] of Object.entries(waits)) {
    const fixture = loopOver(2);
    await prepare(fixture);
    fixture.loop.start();
    await fixture.clock.settle();
    await deadline(fixture.loop.stopReceiving(), 10_000);
    await fixture.loop.close();
    assertEquals(fixture.clock.pendingTimers, 0, name);
    const counts = ["consume 2", "close"].map((event) =>
      fixture.broker.events.filter((one) => one === event).length
    );
    assertEquals(counts, [1, 1], name);
  }
});

test("ConsumerLoop.stopReceiving takes nothing more off the queue", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  loop.start();
  await clock.settle();
  const stopping = loop.stopReceiving();
  await send(0);
  await stopping;
  loop.resume("worker"); // does not bring it back
  await clock.settle();
  assertEquals(args(), []);
  await loop.close();
  await using consumer = broker.consume("q");
  assertEquals(firstArgs(await receiveCount(consumer, 1)), [0]);
});

test("ConsumerLoop.close sends acknowledgements first, then gives back what is in flight", async () => {
  const { clock, broker, loop, delivered, send } = loopOver(3);
  await send(0, 1, 2);
  loop.start();
  await clock.settle();
  await loop.stopReceiving();
  const { message, settlement } = delivered[1]!;
  settlement.settle(message, "done");
  await loop.close();
  assertEquals(broker.events.slice(-2), ["ack 1", "close"]);
  await using consumer = broker.consume("q", { prefetch: 2 });
  assertEquals(firstArgs(await receiveCount(consumer, 2)), [0, 2]);
});

test("ConsumerLoop.close closes the consumer when acknowledgements are through, not before", async () => {
  const { clock, broker, loop, delivered, send } = loopOver(1);
  const answer = Promise.withResolvers<void>();
  await send(0);
  loop.start();
  await clock.settle();
  await loop.stopReceiving();
  const { message, settlement } = delivered[0]!;
  broker.ackGate = answer.promise;
  settlement.settle(message, "done");
  const closing = loop.close();
  await clock.settle();
  assertEquals(broker.events.at(-1), "ack 1");
  answer.resolve();
  await closing;
  assertEquals(broker.events.at(-1), "close");
});

test("ConsumerLoop.stopReceiving waits for what is arriving, and delivers it", async () => {
  const { clock, broker, loop, send, args } = loopOver(1);
  const arrival = Promise.withResolvers<void>();
  broker.arrivalGate = arrival.promise;
  await send(0);
  loop.start();
  await clock.settle();
  let hasStopped = false;
  const stopping = loop.stopReceiving().then(() => hasStopped = true);
  await clock.settle();
  assertEquals([hasStopped, args()], [false, []]);
  arrival.resolve();
  await stopping;
  assertEquals(args(), [0]);
  await loop.close();
});

test("ConsumerLoop.close closes the consumer though a middleware objects", async () => {
  const { clock, broker, loop, send } = loopOver(1, {
    middleware: [{
      beforeConsumerThreadShutdown() {
        throw new MiddlewareError("not now");
      },
    }],
  });
  await send(0);
  loop.start();
  await clock.settle();
  await loop.stopReceiving();
  await loop.close().catch((error) => assert(error instanceof MiddlewareError, `${error}`));
  assertEquals(broker.events.at(-1), "close");
  await using consumer = broker.consume("q");
  assertEquals(firstArgs(await receiveCount(consumer, 1)), [0]);
});

test("ConsumerLoop.close of a loop that was never started does no harm", async () => {
  const { broker, loop } = loopOver(1);
  await end(loop);
  assertEquals(broker.events, []);
});

test("ConsumerLoop receives after an asynchronous afterConsumerThreadBoot is done", async () => {
  const boot = Promise.withResolvers<void>();
  const { clock, broker, loop } = loopOver(1, {
    middleware: [{ afterConsumerThreadBoot: () => boot.promise }],
  });
  loop.start();
  await clock.settle();
  assertEquals(broker.events, []);
  boot.resolve();
  await clock.settle();
  assertEquals(broker.events, ["consume 1", "receive 1"]);
  await end(loop);
});

/** Always has a message at once, until it was asked for a long time: then it waits. */
class EndlessConsumer extends Consumer {
  readonly #end = Promise.withResolvers<MessageProxy[]>();
  readonly #startedAt = performance.now();

  receive(): Promise<MessageProxy[]> {
    if (performance.now() - this.#startedAt > 5_000) return this.#end.promise;
    return Promise.resolve([new MessageProxy(work("q"))]);
  }

  ack = () => Promise.resolve();
  nack = () => Promise.resolve();
  requeue = () => Promise.resolve();

  close(): Promise<void> {
    this.#end.resolve([]);
    return Promise.resolve();
  }
}

test("ConsumerLoop lets timers have their turn under an endless backlog", async () => {
  const broker = new StubBroker({ middleware: [] });
  const consumer = new EndlessConsumer("q");
  broker.consume = () => consumer;
  let received = 0;
  const loop = new ConsumerLoop(broker, "q", {
    restartDelay: 3_000,
    prefetch: 10,
    deliver(messages, settlement) {
      received += messages.length;
      for (const message of messages) settlement.settle(message, "done");
    },
  });
  const startedAt = performance.now();
  const timer = new Promise<void>((resolve) => setTimeout(resolve, 0));
  loop.start();
  await timer;
  assert(performance.now() - startedAt < 5_000, "the timer had to wait for the backlog to end");
  assert(received > 0);
  await consumer.close();
  await end(loop);
});

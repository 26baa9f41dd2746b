import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import {
  ConnectionClosed,
  ConnectionFailed,
  type ConsumeOptions,
  Consumer,
  ConsumerLoop,
  MessageProxy,
  MiddlewareError,
  StubBroker,
  type StubBrokerOptions,
} from "@dq/dramatiq";
import type { Settlement } from "../../worker/settlement.ts";
import { firstArgs, receiveCount, work } from "../conformance/broker_messages.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A broker whose consumers fail on demand and are counted. */
class FlakyBroker extends StubBroker {
  /** What the next calls of `consume` throw. */
  readonly consumeErrors: Error[] = [];
  /** What the next calls of `receive` reject with. */
  readonly receiveErrors: Error[] = [];
  /** What the next calls of `ack` reject with. */
  readonly ackErrors: Error[] = [];
  /** What the next calls of `close` reject with. */
  readonly closeErrors: Error[] = [];
  readonly events: string[] = [];

  override consume(queueName: string, options?: ConsumeOptions): Consumer {
    const error = this.consumeErrors.shift();
    if (error !== undefined) throw error;
    const consumer = super.consume(queueName, options);
    const { receive, ack, close } = consumer;
    this.events.push(`consume ${options?.prefetch}`);
    consumer.receive = (limit, receiveOptions) => {
      this.events.push(`receive ${limit}`);
      // A loop that spins would never let the test fail.
      if (this.events.length > 1_000) return new Promise(() => {});
      const error = this.receiveErrors.shift();
      return error ? Promise.reject(error) : receive.call(consumer, limit, receiveOptions);
    };
    consumer.ack = (messages) => {
      this.events.push(`ack ${messages.length}`);
      const error = this.ackErrors.shift();
      return error ? Promise.reject(error) : ack.call(consumer, messages);
    };
    consumer.close = async () => {
      this.events.push("close");
      await close.call(consumer);
      const error = this.closeErrors.shift();
      if (error !== undefined) throw error;
    };
    return consumer;
  }
}

/** A loop over queue `q` that keeps what it is given until the test settles it. */
function loopOver(prefetch: number, options: StubBrokerOptions = {}) {
  const clock = new FakeClock();
  const broker = new FlakyBroker({ clock, middleware: [], ...options });
  broker.declareQueue("q");
  const delivered: { message: MessageProxy; settlement: Settlement }[] = [];
  const loop = new ConsumerLoop(broker, "q", {
    prefetch,
    deliver(messages, settlement) {
      for (const message of messages) delivered.push({ message, settlement });
    },
  });
  const send = (...values: number[]) => broker.enqueueMany(values.map((n) => work("q", n)));
  const args = () => delivered.map(({ message }) => message.args[0]);
  return { clock, broker, loop, delivered, send, args };
}

async function end(loop: ConsumerLoop): Promise<void> {
  await loop.stopReceiving();
  await loop.close();
}

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

test("ConsumerLoop opens a new consumer some time after one that failed", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  broker.receiveErrors.push(new ConnectionClosed("cut"));
  await send(0, 1);
  loop.start();
  await clock.settle();
  assertEquals(broker.events, ["consume 2", "receive 2", "close"]);
  assertEquals(clock.pendingTimers, 1);
  await clock.advanceToNext();
  assertEquals(args(), [0, 1]);
  assertEquals(broker.events.slice(3), ["consume 2", "receive 2"]);
  await end(loop);
  assertEquals(clock.pendingTimers, 0);
});

test("ConsumerLoop tries again as long as no consumer can be opened", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  for (let i = 0; i < 3; i++) broker.consumeErrors.push(new ConnectionFailed("refused"));
  await send(0);
  loop.start();
  for (let i = 0; i < 3; i++) {
    assertEquals(args(), []);
    await clock.advanceToNext();
  }
  assertEquals(args(), [0]);
  await end(loop);
});

test("ConsumerLoop goes on when the consumer that failed does not close well", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  broker.receiveErrors.push(new ConnectionClosed("cut"));
  broker.closeErrors.push(new ConnectionClosed("cut"));
  await send(0);
  loop.start();
  await clock.advanceToNext();
  assertEquals(args(), [0]);
  await end(loop);
});

test("ConsumerLoop opens a new consumer when messages cannot be settled: they come again", async () => {
  const { clock, broker, loop, delivered, send, args } = loopOver(1);
  await send(0);
  loop.start();
  await clock.settle();
  broker.ackErrors.push(new ConnectionClosed("cut"));
  const { message, settlement } = delivered[0]!;
  settlement.settle(message, "done");
  await clock.settle();
  if (clock.pendingTimers > 0) await clock.advanceToNext();
  await end(loop);
  assertEquals(args(), [0, 0]);
});

test("ConsumerLoop starts from an empty hand after a failure", async () => {
  const { clock, broker, loop, delivered, send, args } = loopOver(2);
  await send(0);
  loop.start();
  await clock.settle();
  // The call that waits for a second message is ended, so that the next one fails.
  broker.receiveErrors.push(new ConnectionClosed("cut"));
  loop.pause();
  loop.resume();
  await clock.settle();
  await send(1);
  await clock.advanceToNext();
  assertEquals(args(), [0, 0, 1]); // the first one was given back when the consumer closed
  const [stale, ...current] = delivered;
  broker.ackErrors.push(new ConnectionClosed("cut"));
  stale!.settlement.settle(stale!.message, "done"); // of a consumer that is gone already
  await clock.settle();
  assertEquals(broker.events.filter((event) => event.startsWith("consume")).length, 2);
  assertEquals(clock.pendingTimers, 0); // it does not start again
  for (const { message, settlement } of current) settlement.settle(message, "done");
  await broker.join("q");
  await end(loop);
});

test("ConsumerLoop.pause receives nothing until resume", async () => {
  const { clock, broker, loop, send, args } = loopOver(2);
  loop.pause();
  loop.start();
  await send(0);
  await clock.settle();
  assertEquals(args(), []);
  loop.resume();
  await clock.settle();
  assertEquals(args(), [0]);
  loop.pause();
  loop.pause();
  await send(1);
  await clock.settle();
  assertEquals(args(), [0]);
  loop.resume();
  await clock.settle();
  assertEquals(args(), [0, 1]);
  assertEquals(broker.events.filter((event) => event.startsWith("consume")).length, 1);
  await end(loop);
});

test("ConsumerLoop.stopReceiving ends every kind of wait", async () => {
  const waits: Record<string, (play: ReturnType<typeof loopOver>) => unknown> = {
    message: () => {},
    room: ({ send }) => send(0, 1, 2, 3),
    resume: ({ loop }) => loop.pause(),
    restart: ({ broker }) => broker.receiveErrors.push(new ConnectionClosed("cut")),
  };
  for (const [name, prepare] of Object.entries(waits)) {
    const play = loopOver(2);
    await prepare(play);
    play.loop.start();
    await play.clock.settle();
    await deadline(play.loop.stopReceiving(), 10_000);
    await play.loop.close();
    assertEquals(play.clock.pendingTimers, 0, name);
    const counts = ["consume 2", "close"].map((event) =>
      play.broker.events.filter((one) => one === event).length
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
  loop.resume(); // does not bring it back
  await clock.settle();
  assertEquals(args(), []);
  await loop.close();
  await using consumer = broker.consume("q");
  assertEquals(firstArgs(await receiveCount(consumer, 1)), [0]);
});

test("ConsumerLoop.close sends acknowledgements first, then gives back what is at hand", async () => {
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

test("ConsumerLoop does not spin when the broker is closed under it", async () => {
  const { clock, broker, loop } = loopOver(1);
  loop.start();
  await clock.settle();
  await broker.close();
  await clock.settle();
  assert(broker.events.length < 20, "it asks a closed consumer again and again");
  await end(loop);
  assertEquals(clock.pendingTimers, 0);
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

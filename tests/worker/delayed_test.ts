import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import {
  type ConsumeOptions,
  type Consumer,
  type MessageProxy,
  type Middleware,
  MiddlewareError,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import { moveDelayed } from "../../worker/delayed.ts";
import { Settlement } from "../../worker/settlement.ts";
import { receiveOne, work } from "../conformance/broker_messages.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

const SECOND = 1_000;

/** A delayed message that is due, and where it is settled. */
async function due(middleware: Middleware[] = []) {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, middleware });
  broker.declareQueue("q");
  await broker.enqueue(work("q", 1), { delay: SECOND });
  await clock.advance(SECOND);
  const consumer = broker.consume("q.DQ");
  const message = await receiveOne(consumer);
  const settlement = new Settlement(broker, consumer, {
    roomMade: () => {},
    consumerFailed: () => {},
  });
  settlement.received(1);
  return { broker, consumer, message, settlement };
}

/** Messages that a queue gives at once. */
async function held(broker: StubBroker, queueName: string): Promise<number> {
  await using consumer = broker.consume(queueName, { prefetch: 10 });
  const stop = new AbortController();
  const receiving = consumer.receive(10, { signal: stop.signal });
  await nextTurn();
  stop.abort();
  return (await receiving).length;
}

test("moveDelayed leaves a message alone whose consumer is gone: it is delivered again", async () => {
  const { broker, consumer, message, settlement } = await due();
  settlement.abandon();
  await moveDelayed(broker, message, settlement);
  await settlement.flushed();
  await consumer.close();
  assertEquals([await held(broker, "q"), await held(broker, "q.DQ")], [0, 1]);
});

test("moveDelayed leaves a message alone whose consumer is lost while a hook waits", async () => {
  const gate = Promise.withResolvers<void>();
  const { broker, consumer, message, settlement } = await due([{
    beforeDelayMessage: () => gate.promise,
  }]);
  const moving = moveDelayed(broker, message, settlement);
  settlement.abandon();
  gate.resolve();
  await moving;
  await consumer.close();
  assertEquals([await held(broker, "q"), await held(broker, "q.DQ")], [0, 1]);
});

test("moveDelayed moves a message that a middleware objects to", async () => {
  const { broker, message, settlement } = await due([{
    beforeDelayMessage() {
      throw new MiddlewareError("No");
    },
  }]);
  await moveDelayed(broker, message, settlement);
  await settlement.flushed();
  assertEquals([await held(broker, "q"), await held(broker, "q.DQ")], [1, 0]);
});

/** A broker whose moves of delayed messages wait at a gate. */
class GatedBroker extends StubBroker {
  readonly gate: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly acked: string[] = [];

  override consume(queueName: string, options?: ConsumeOptions): Consumer {
    const consumer = super.consume(queueName, options);
    const { ack } = consumer;
    consumer.ack = (messages) => {
      this.acked.push(queueName);
      return ack.call(consumer, messages);
    };
    return consumer;
  }

  override async enqueueDue(delivery: MessageProxy): Promise<void> {
    await this.gate.promise;
    await super.enqueueDue(delivery);
  }
}

test("Worker.join waits for delayed messages that are on their way to their queue", async () => {
  const clock = new FakeClock();
  const broker = new GatedBroker({ clock, middleware: [] });
  broker.declareQueue("q");
  await broker.enqueue(work("q", 1), { delay: SECOND });
  await using worker = new Worker(broker);
  await worker.start();
  await clock.advance(SECOND);
  let hasJoined = false;
  const joining = worker.join().then(() => hasJoined = true);
  await nextTurn();
  assertEquals([hasJoined, broker.acked], [false, []]); // it is acknowledged once it is stored
  broker.gate.resolve();
  await deadline(joining, 10 * SECOND);
  assertEquals(broker.acked, ["q.DQ"]);
});

import {
  type ConsumeOptions,
  type Consumer,
  type MessageProxy,
  StubBroker,
  type StubBrokerOptions,
} from "@dq/dramatiq";
import { ConsumerLoop } from "../../worker/consumer_loop.ts";
import type { Settlement } from "../../worker/settlement.ts";
import { toList } from "../../core/consumer.ts";
import { work } from "../conformance/broker_messages.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A broker whose consumers fail on demand and are counted. */
class FlakyBroker extends StubBroker {
  /** Errors of the next calls of `consume`. */
  readonly consumeErrors: Error[] = [];
  /** Errors of the next calls of `receive`. */
  readonly receiveErrors: Error[] = [];
  /** Errors of the next calls of `ack`. */
  readonly ackErrors: Error[] = [];
  /** Errors of the next calls of `close`. */
  readonly closeErrors: Error[] = [];
  /** Gate of acknowledgements. */
  ackGate: Promise<void> | undefined;
  /** Gate of messages that were taken off the queue. */
  arrivalGate: Promise<void> | undefined;
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
      if (error !== undefined) return Promise.reject(error);
      const receiving = receive.call(consumer, limit, receiveOptions);
      const { arrivalGate } = this;
      return arrivalGate === undefined ? receiving : arrivalGate.then(() => receiving);
    };
    consumer.ack = (messages) => {
      this.events.push(`ack ${toList(messages).length}`);
      const error = this.ackErrors.shift();
      if (error !== undefined) return Promise.reject(error);
      const { ackGate } = this;
      const acking = () => ack.call(consumer, messages);
      return ackGate === undefined ? acking() : ackGate.then(acking);
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
export function loopOver(prefetch: number, options: StubBrokerOptions = {}) {
  const clock = new FakeClock();
  const broker = new FlakyBroker({ clock, middleware: [], ...options });
  broker.declareQueue("q");
  const delivered: { message: MessageProxy; settlement: Settlement }[] = [];
  const loop = new ConsumerLoop(broker, "q", {
    restartDelay: 3_000,
    prefetch,
    deliver(messages, settlement) {
      for (const message of messages) delivered.push({ message, settlement });
    },
  });
  const send = (...values: number[]) => broker.enqueueMany(values.map((n) => work("q", n)));
  const args = () => delivered.map(({ message }) => message.args[0]);
  return { clock, broker, loop, delivered, send, args };
}

/** Stops a loop and closes its consumer. */
export async function end(loop: ConsumerLoop): Promise<void> {
  await loop.stopReceiving();
  await loop.close();
}

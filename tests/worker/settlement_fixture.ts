import { Consumer, MessageProxy, type Middleware, StubBroker } from "@dq/dramatiq";
import { Settlement } from "../../worker/settlement.ts";
import { work } from "../conformance/broker_messages.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Writes down how messages are settled. */
class RecordingConsumer extends Consumer {
  readonly calls: string[] = [];
  /** True if its messages may be with another consumer. */
  hasLost = false;
  /** Called with the verb before it is done. */
  onCall: (verb: string) => void | Promise<void> = () => {};

  override get isLost(): boolean {
    return this.hasLost;
  }

  receive(): Promise<MessageProxy[]> {
    return Promise.resolve([]);
  }

  ack(messages: readonly MessageProxy[]): Promise<void> {
    return this.#note("ack", messages);
  }

  nack(messages: readonly MessageProxy[]): Promise<void> {
    return this.#note("nack", messages);
  }

  requeue(messages: readonly MessageProxy[]): Promise<void> {
    return this.#note("requeue", messages);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #note(verb: string, messages: readonly MessageProxy[]): Promise<void> {
    this.calls.push(`${verb} ${messages.map((message) => message.args[0])}`);
    await this.onCall(verb);
  }
}

/** A settlement that has received the messages 0, 1, 2, … */
export function received(count: number, middleware: Middleware[] = []) {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, middleware });
  const consumer = new RecordingConsumer("q");
  const told: unknown[] = [];
  const settlement = new Settlement(broker, consumer, {
    roomMade: () => void told.push("room"),
    consumerFailed: (error) => void told.push(error),
  });
  const messages = Array.from({ length: count }, (_, i) => new MessageProxy(work("q", i)));
  settlement.received(count);
  return { clock, consumer, settlement, messages, told };
}

import type { Broker, MessageProxy, Middleware } from "@dq/dramatiq";

/** Things that come, in their order, to one who waits for them. */
class Arrivals<T> {
  readonly #arrived: T[] = [];
  #wake: () => void = () => {};

  add(one: T): void {
    this.#arrived.push(one);
    this.#wake();
  }

  async next(): Promise<T> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#arrived.shift()!;
  }
}

/** Holds each message between its arrival in a worker and its run. */
export class WorkSteps implements Middleware {
  /** The delay queues that were declared. */
  readonly delayQueues: string[] = [];
  readonly #received: Arrivals<MessageProxy> = new Arrivals();
  readonly #settled: Arrivals<MessageProxy> = new Arrivals();
  readonly #held: Map<MessageProxy, () => void> = new Map();

  /** The next message that is about to run. It does not before `process`. */
  received(): Promise<MessageProxy> {
    return this.#received.next();
  }

  /** The next message of which the broker has heard what became of it. */
  settled(): Promise<MessageProxy> {
    return this.#settled.next();
  }

  /** Runs a message to its end. */
  async process(message: MessageProxy): Promise<void> {
    this.#held.get(message)!();
    this.#held.delete(message);
    while (await this.settled() !== message);
  }

  /** Notes a delay queue. */
  afterDeclareDelayQueue(_broker: Broker, queueName: string): void {
    this.delayQueues.push(queueName);
  }

  /** Holds the message. It has to come before all middleware that looks at it. */
  beforeProcessMessage(_broker: Broker, message: MessageProxy): Promise<void> {
    return new Promise((resolve) => {
      this.#held.set(message, resolve);
      this.#received.add(message);
    });
  }

  /** Notes the end of a message. */
  afterAck(_broker: Broker, message: MessageProxy): void {
    this.#settled.add(message);
  }

  /** Notes the end of a message. */
  afterNack(_broker: Broker, message: MessageProxy): void {
    this.#settled.add(message);
  }
}

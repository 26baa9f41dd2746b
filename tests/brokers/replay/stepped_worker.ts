import { deadline } from "@std/async";
import { type Broker, type MessageProxy, type Middleware, Worker } from "@dq/dramatiq";
import { Gate, GatedConsumer } from "./gate.ts";

/** Longest wait: what takes longer will never come. */
const LONGEST_WAIT = 10_000;

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
      await deadline(new Promise<void>((resolve) => this.#wake = resolve), LONGEST_WAIT);
    }
    return this.#arrived.shift()!;
  }
}

/** Holds each message between its arrival in a worker and its run. */
class Hold implements Middleware {
  readonly held: Map<MessageProxy, () => void> = new Map();
  readonly received: Arrivals<MessageProxy> = new Arrivals();
  readonly settled: Arrivals<MessageProxy> = new Arrivals();

  isOver = false;

  beforeProcessMessage(_broker: Broker, message: MessageProxy): void | Promise<void> {
    if (this.isOver) return;
    return new Promise((resolve) => {
      this.held.set(message, resolve);
      this.received.add(message);
    });
  }

  afterAck(_broker: Broker, message: MessageProxy): void {
    this.settled.add(message);
  }

  afterNack(_broker: Broker, message: MessageProxy): void {
    this.settled.add(message);
  }
}

/** A worker that receives, and runs what it has received, only when it is told to. */
export class SteppedWorker {
  /** Middleware that holds messages. It has to come before all middleware that looks at them. */
  readonly middleware: Middleware;
  readonly #hold: Hold = new Hold();
  readonly #gates: Map<string, Gate> = new Map();
  #worker: Worker | undefined;

  constructor() {
    this.middleware = this.#hold;
  }

  /** Number of messages it has received and not run. */
  get held(): number {
    return this.#hold.held.size;
  }

  /** Starts it. The actors, or queues, have to be declared. */
  async start(broker: Broker, concurrency = 1): Promise<void> {
    for (const queueName of broker.queues) {
      this.#gates.set(queueName, new Gate());
      this.#gates.set(`${queueName}.DQ`, new Gate());
    }
    this.#worker = new Worker(broker, { concurrency });
    await this.#worker.start();
  }

  /** Starts it without any steps: it works as it can. */
  async startFreely(broker: Broker, concurrency = 1): Promise<void> {
    this.#hold.isOver = true;
    this.#worker = new Worker(broker, { concurrency });
    await this.#worker.start();
  }

  /** Has the consumers of a broker, whose worker it may become, pass the gates of their queues. */
  guard(broker: Broker): void {
    const consume = broker.consume.bind(broker);
    broker.consume = (queueName, options) => {
      const consumer = consume(queueName, options);
      const gate = this.gate(queueName);
      return gate === undefined ? consumer : new GatedConsumer(consumer, gate);
    };
  }

  /** Gate of its consumer of a queue. */
  gate(queueName: string): Gate | undefined {
    return this.#gates.get(queueName);
  }

  /** Has it receive from a queue until it gets something, which may be never. */
  open(queueName: string): void {
    this.gate(queueName)!.open();
  }

  /** Has it receive a message that it can run. */
  async receive(queueName: string): Promise<MessageProxy> {
    this.open(queueName);
    return await this.received();
  }

  /** The next message that it could run. */
  received(): Promise<MessageProxy> {
    return this.#hold.received.next();
  }

  /** Has it receive a message that it cannot run. */
  async refuse(queueName: string): Promise<MessageProxy> {
    this.open(queueName);
    while (true) {
      const message = await this.#hold.settled.next();
      if (message.queueName === queueName) return message;
    }
  }

  /** Runs a message to its end: until the server knows what became of it. */
  async process(message: MessageProxy): Promise<void> {
    this.#hold.held.get(message)!();
    this.#hold.held.delete(message);
    while (await this.#hold.settled.next() !== message);
  }

  /**
   * Runs what it holds, and stops it.
   *
   * @param timeout How long it waits for what is running.
   */
  async stop(timeout?: number): Promise<void> {
    this.#hold.isOver = true;
    for (const run of this.#hold.held.values()) run();
    await this.#worker?.stop(timeout);
  }
}

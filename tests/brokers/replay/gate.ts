import { Consumer, type MessageProxy, type ReceiveOptions } from "@dq/dramatiq";

/** Says when the consumer of one queue may receive. It is shut at first. */
export class Gate {
  /** There while the gate is open; aborts when it is shut. */
  #passage: AbortController | undefined;
  #waiting: (() => void)[] = [];

  /** Lets one call of `receive` through, until it has received something. */
  open(): void {
    this.#passage ??= new AbortController();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Has whoever went through come back. */
  shut(): void {
    this.#passage?.abort();
    this.#passage = undefined;
  }

  /**
   * Waits until it is open.
   *
   * @param signal Ends the wait.
   * @returns What aborts when it is shut again; nothing once `signal` has aborted.
   */
  async enter(signal: AbortSignal): Promise<AbortSignal | undefined> {
    while (this.#passage === undefined && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    return signal.aborted ? undefined : this.#passage!.signal;
  }
}

/** A consumer behind a gate. All but receiving goes straight through. */
export class GatedConsumer extends Consumer {
  readonly #consumer: Consumer;
  readonly #gate: Gate;

  constructor(consumer: Consumer, gate: Gate) {
    super(consumer.queueName);
    this.#consumer = consumer;
    this.#gate = gate;
  }

  async receive(limit: number, options: ReceiveOptions = {}): Promise<MessageProxy[]> {
    const signal = options.signal ?? new AbortController().signal;
    while (true) {
      const passage = await this.#gate.enter(signal);
      if (passage === undefined) return [];
      const either = AbortSignal.any([signal, passage]);
      const messages = await this.#consumer.receive(limit, { signal: either });
      if (messages.length > 0) this.#gate.shut();
      if (messages.length > 0 || !passage.aborted) return messages;
    }
  }

  ack(messages: readonly MessageProxy[]): Promise<void> {
    return this.#consumer.ack(messages);
  }

  nack(messages: readonly MessageProxy[]): Promise<void> {
    return this.#consumer.nack(messages);
  }

  requeue(messages: readonly MessageProxy[]): Promise<void> {
    return this.#consumer.requeue(messages);
  }

  close(): Promise<void> {
    return this.#consumer.close();
  }
}

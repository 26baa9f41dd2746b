import process from "node:process";
import { type Actor, actor, type Broker, Worker } from "../../mod.ts";
import { argumentMaker, type MessageArguments } from "./arguments.ts";
import type { Contestant, Crew, CrewSize } from "./contestant.ts";

/** Result of an asynchronous actor that does nothing. */
const DONE = Promise.resolve();

/**
 * This library as a contestant, as users meet it: an asynchronous actor, the default
 * middleware, a worker of this process.
 */
export class OurContestant<Mode extends string> implements Contestant<Mode> {
  readonly #broker: Broker;
  readonly #sender: Broker;
  #ran: (index: number) => void = () => {};
  #greeted: () => void = () => {};
  readonly #noop: Actor<MessageArguments, void>;
  readonly #arguments: (index: number) => MessageArguments;
  readonly #greet: Actor<[], void>;

  /**
   * @param queueName The queue of all contestants.
   * @param broker That of the worker.
   * @param sender Who sends: another broker, with a connection of its own, where a worker waits.
   * @param argumentsOf Makes the arguments of the message with a number.
   */
  constructor(
    queueName: string,
    broker: Broker,
    sender: Broker = broker,
    argumentsOf: (index: number) => MessageArguments = argumentMaker(),
  ) {
    this.#broker = broker;
    this.#arguments = argumentsOf;
    this.#sender = sender;
    const noop = this.#declareNoop(broker, queueName);
    this.#noop = sender === broker ? noop : this.#declareNoop(sender, queueName);
    this.#greet = actor((): Promise<void> => {
      this.#greeted();
      return DONE;
    }, { broker, queueName, actorName: "greet" });
  }

  /** With one call for all, unless the mode is `serial` or `concurrent`. */
  async send(mode: Mode, messages: number): Promise<void> {
    const [noop, argumentsOf] = [this.#noop, this.#arguments];
    if (mode === "serial") {
      for (let i = 0; i < messages; i++) await noop.send(...argumentsOf(i));
    } else if (mode === "concurrent") {
      await Promise.all(Array.from({ length: messages }, (_, i) => noop.send(...argumentsOf(i))));
    } else {
      await noop.sendMany(Array.from({ length: messages }, (_, i) => argumentsOf(i)));
    }
  }

  async hire(
    { concurrency, prefetch }: CrewSize,
    ran: (index: number) => void,
  ): Promise<Crew> {
    if (prefetch !== undefined) process.env["dramatiq_queue_prefetch"] = `${prefetch}`;
    this.#ran = ran;
    const greeted = new Promise<void>((resolve) => this.#greeted = resolve);
    const worker = new Worker(this.#broker, { concurrency });
    await worker.start();
    await this.#greet.send(); // Opens all connections.
    await greeted;
    await worker.join();
    worker.pause();
    return {
      start: () => worker.resume(),
      settled: () => worker.join(),
      close: () => worker.stop(),
    };
  }

  async close(): Promise<void> {
    await this.#sender.close();
    await this.#broker.close();
  }

  #declareNoop(broker: Broker, queueName: string): Actor<MessageArguments, void> {
    return actor((index: number, _padding?: string): Promise<void> => {
      this.#ran(index);
      return DONE;
    }, { broker, queueName, actorName: "noop" });
  }
}

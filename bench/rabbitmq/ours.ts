/**
 * This library as a contestant of bench/rabbitmq.ts, as users meet it: an asynchronous
 * actor, the default middleware, a worker of this process.
 *
 * @module
 */
import process from "node:process";
import { actor, RabbitmqBroker, Worker } from "../../mod.ts";
import { type Assignment, QUEUE, type SendMode } from "./assignment.ts";
import type { Contestant, Crew } from "./contestant.ts";
import { measureContestant } from "./measure_contestant.ts";

/** What an asynchronous actor that does nothing returns. */
const DONE = Promise.resolve();

class OurContestant implements Contestant {
  readonly #broker: RabbitmqBroker;
  #ran: (index: number) => void = () => {};
  #greeted: () => void = () => {};
  readonly #noop;
  readonly #greet;

  constructor({ url }: Assignment) {
    this.#broker = new RabbitmqBroker({ url });
    const options = { broker: this.#broker, queueName: QUEUE };
    this.#noop = actor((index: number): Promise<void> => {
      this.#ran(index);
      return DONE;
    }, { ...options, actorName: "noop" });
    this.#greet = actor((): Promise<void> => {
      this.#greeted();
      return DONE;
    }, { ...options, actorName: "greet" });
  }

  async send(mode: SendMode, messages: number): Promise<void> {
    const noop = this.#noop;
    if (mode === "many") {
      await noop.sendMany(Array.from({ length: messages }, (_, i): [number] => [i]));
    } else if (mode === "concurrent") {
      await Promise.all(Array.from({ length: messages }, (_, i) => noop.send(i)));
    } else {
      for (let i = 0; i < messages; i++) await noop.send(i);
    }
  }

  async hire(concurrency: number, prefetch: number, ran: (index: number) => void): Promise<Crew> {
    process.env["dramatiq_queue_prefetch"] = `${prefetch}`;
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
    await this.#broker.close();
  }
}

await measureContestant((assignment) => new OurContestant(assignment));

/**
 * This library as a contestant of bench/redis.ts, as users meet it: an asynchronous
 * actor, the default middleware, a worker of this process.
 *
 * @module
 */
import process from "node:process";
import { Redis } from "ioredis";
import { type Actor, actor, RedisBroker, Worker } from "../../mod.ts";
import type { Assignment, SendMode } from "./assignment.ts";
import type { Contestant, Crew } from "./contestant.ts";
import { measureContestant } from "./measure_contestant.ts";
import { readStored } from "./stored.ts";

const QUEUE = "bench";
/** What an asynchronous actor that does nothing returns. */
const DONE = Promise.resolve();

class OurContestant implements Contestant {
  readonly #broker: RedisBroker;
  /** Who sends: another broker, with a connection of its own, where a worker waits. */
  readonly #sender: RedisBroker;
  readonly #redis: Redis;
  #ran: (index: number) => void = () => {};
  #greeted: () => void = () => {};
  readonly #noop;
  readonly #greet;

  constructor({ task, server, fetchBatch }: Assignment) {
    if (fetchBatch !== undefined) process.env["dramatiq_queue_prefetch"] = `${fetchBatch}`;
    this.#redis = new Redis(server);
    this.#broker = new RedisBroker({ connection: { ...server } });
    const noop = this.#declareNoop(this.#broker);
    if (task === "pickUp") {
      this.#sender = new RedisBroker({ connection: { ...server } });
      this.#noop = this.#declareNoop(this.#sender);
    } else {
      this.#sender = this.#broker;
      this.#noop = noop;
    }
    const greeted = () => this.#greeted();
    this.#greet = actor(function greet(): Promise<void> {
      greeted();
      return DONE;
    }, { broker: this.#broker, queueName: QUEUE });
  }

  async send(mode: SendMode, messages: number): Promise<void> {
    const noop = this.#noop;
    if (mode === "bulk" || mode === "oneCall") {
      await noop.sendMany(Array.from({ length: messages }, (_, i): [number] => [i]));
    } else if (mode === "concurrent") {
      await Promise.all(Array.from({ length: messages }, (_, i) => noop.send(i)));
    } else {
      for (let i = 0; i < messages; i++) await noop.send(i);
    }
  }

  stored(): Promise<number[]> {
    return readStored(this.#redis, `dramatiq:${QUEUE}`, `dramatiq:${QUEUE}.msgs`);
  }

  async left(): Promise<number> {
    const counts = await this.#broker.getQueueMessageCounts(QUEUE);
    return counts.ready + counts.delayed + counts.unacknowledged + counts.dead;
  }

  async hire(concurrency: number, ran: (index: number) => void): Promise<Crew> {
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
    this.#redis.disconnect();
  }

  #declareNoop(broker: RedisBroker): Actor<[index: number], void> {
    const run = (index: number) => this.#ran(index);
    return actor(function noop(index: number): Promise<void> {
      run(index);
      return DONE;
    }, { broker, queueName: QUEUE });
  }
}

await measureContestant((assignment) => new OurContestant(assignment));

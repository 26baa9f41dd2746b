import type { RedisConnection } from "../../clients/redis/connection.ts";
import type { RedisArgument, RedisReply } from "../../clients/redis/reply.ts";
import type { Script } from "../../clients/redis/script.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { COUNT_MANY, INCR } from "./redis_scripts.ts";

/** Most operations in one call: Redis executes them within a millisecond. */
const MAX_OPERATIONS = 250;
/** Reply to an operation that failed. */
const FAILED = -1;

/** An `INCR` or `DECR` that waits to be sent with others. */
interface Operation {
  readonly script: Script;
  readonly key: string;
  readonly args: readonly RedisArgument[];
  readonly reply: PromiseWithResolvers<RedisReply>;
}

/**
 * Sends the operations of one turn of the event loop together. An operation that starts while no
 * call is pending is sent at once, as its own script.
 *
 * (With a hundred actors at once that acquire and release a slot each, a message takes half of the
 * processor time: 11 µs instead of 22 on Deno and Bun, 15 instead of 26 on Node. Redis needs 8
 * instead of 13.)
 */
export class CounterBatcher {
  readonly #connection: RedisConnection;
  #batch: Operation[] = [];
  /** Number of calls without a reply. */
  #underWay = 0;

  /**
   * Stores the connection.
   *
   * @param connection The connection, to one server.
   */
  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /**
   * Runs an operation once.
   *
   * @param script `INCR` or `DECR`.
   * @param key The counter.
   * @param args Amount, maximum or minimum, ttl.
   * @returns What the script returned.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  count(script: Script, key: string, args: readonly RedisArgument[]): Promise<RedisReply> {
    if (this.#underWay === 0 && this.#batch.length === 0) return this.#runAlone(script, key, args);
    const reply = Promise.withResolvers<RedisReply>();
    this.#batch.push({ script, key, args, reply });
    if (this.#batch.length === 1) nextTurn().then(() => this.#send(this.#batch.splice(0)));
    else if (this.#batch.length === MAX_OPERATIONS) this.#send(this.#batch.splice(0));
    return reply.promise;
  }

  #runAlone(script: Script, key: string, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#track(this.#connection.run(script, [key], args));
  }

  #send(operations: readonly Operation[]): void {
    if (operations.length === 0) return; // a full call has taken them meanwhile
    const keys = operations.map(({ key }) => key);
    const args = operations.flatMap(({ script, args }) => [script === INCR ? "+" : "-", ...args]);
    this.#track(this.#connection.run(COUNT_MANY, keys, args)).then((replies) => {
      for (const [i, { script, key, args, reply }] of operations.entries()) {
        const one = (replies as readonly RedisReply[])[i]!;
        // Run alone, it fails with an error that says why.
        reply.resolve(one === FAILED ? this.#runAlone(script, key, args) : one);
      }
    }, (error) => {
      for (const { reply } of operations) reply.reject(error);
    });
  }

  async #track<T>(call: Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      return await call;
    } finally {
      this.#underWay -= 1;
    }
  }
}

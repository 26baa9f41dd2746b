import type { Buffer } from "node:buffer";
import type { Broker } from "../../core/broker.ts";
import { getLogger } from "../../platform/logging.ts";
import { canonicalQueueName, delayQueueName } from "../../core/queue_names.ts";
import type { RedisReply } from "../../clients/redis/reply.ts";
import { EXPIRE } from "./dead_letter_scripts.ts";
import { FORGET, FORGET_REPORTS, LOCK, TAKE_OVER } from "./recovery_scripts.ts";
import { MAX_BATCH } from "./scripts.ts";
import type { RedisSession } from "./session.ts";
import { FORGET_SUSPECTS } from "./suspect_scripts.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("redis");
/** Milliseconds until the lock of the recovery expires. */
const LOCK_TIME = 1_000;
/** Number of queues whose old dead letters one call drops. */
const EXPIRE_QUEUES = 500;
/** Number of keys that one `SCAN` visits. */
const SCAN_COUNT = 1_000;
/** Approximate number of reports or suspects that one call reads. */
const FORGET_COUNT = 500;

/** Options of a {@linkcode Recovery}. */
export interface RecoveryOptions {
  /** Milliseconds without a heartbeat after which a worker counts as dead. */
  readonly heartbeatTimeout: number;
  /** Retention time of dead letters, in milliseconds. */
  readonly deadMessageTtl: number;
}

/** Requeues messages of dead workers, and drops old dead letters. */
export class Recovery {
  readonly #session: RedisSession;
  readonly #broker: Pick<Broker, "queues">;
  readonly #options: RecoveryOptions;

  /**
   * Stores the options.
   *
   * @param session The broker.
   * @param broker The broker, for the names of its queues.
   * @param options When workers and dead letters expire.
   */
  constructor(session: RedisSession, broker: Pick<Broker, "queues">, options: RecoveryOptions) {
    this.#session = session;
    this.#broker = broker;
    this.#options = options;
  }

  /** Runs one or both steps of the recovery, unless another worker holds its lock. */
  async runAlone({ takesOver, expires }: { takesOver: boolean; expires: boolean }): Promise<void> {
    const { connection, keys, brokerId } = this.#session;
    const locked = await connection.run(
      LOCK,
      [keys.heartbeats, keys.recoveryLock],
      [brokerId, LOCK_TIME],
    );
    if (locked === null) return;
    if (takesOver) await this.takeOver();
    if (!expires) return;
    await this.expire();
    await this.forgetSilent();
  }

  /**
   * Requeues the unacknowledged messages of dead brokers, on all queues, and removes their heartbeats.
   */
  async takeOver(): Promise<void> {
    const { connection, keys, serverClock, brokerId, delayRegistry } = this.#session;
    const limit = await serverClock.read() - this.#options.heartbeatTimeout;
    const reply = await connection.command(
      ...["look for dead workers", "zrangebyscore", keys.heartbeats, "-inf", limit] as const,
    );
    // This broker is alive, even if its own heartbeat is old.
    const dead = (reply as Buffer[]).map(String).filter((id) => id !== brokerId);
    if (dead.length === 0) return;
    const known = [...this.#broker.queues].flatMap((name) => [name, delayQueueName(name)]);
    for (const id of dead) {
      for (const queueName of known) await this.takeOverQueue(id, queueName, limit);
    }
    for (const [id, queueName] of await this.#findUnacknowledged(new Set(dead))) {
      await this.takeOverQueue(id, queueName, limit);
    }
    await delayRegistry.leaveDead(new Set(dead));
    for (let i = 0; i < dead.length; i += MAX_BATCH) {
      const ids = dead.slice(i, i + MAX_BATCH);
      await connection.run(FORGET, [keys.heartbeats, keys.reports], [limit, ...ids]);
    }
  }

  /**
   * Requeues the unacknowledged messages of one broker on one queue, if it is dead.
   *
   * @param brokerId The broker.
   * @param queueName The queue.
   * @param limit Time up to which a heartbeat counts as dead.
   */
  async takeOverQueue(brokerId: string, queueName: string, limit: number): Promise<void> {
    const { connection, keys } = this.#session;
    const { queue, messages, suspects } = keys.of(queueName);
    // Messages of a delay queue do not run, and so cannot be the cause of a death.
    const noted = queueName === canonicalQueueName(queueName) ? [suspects] : [];
    const unacknowledged = keys.unacknowledgedBy(brokerId, queueName);
    const reply = await connection.command("count deliveries", "scard", unacknowledged);
    const count = reply as number;
    if (count === 0) return;
    let left = count;
    while (left > 0) {
      left = await connection.run(
        TAKE_OVER,
        [keys.heartbeats, unacknowledged, queue, messages, ...noted],
        [brokerId, limit, MAX_BATCH],
      ) as number;
    }
    log.warn(counted(count, "Requeued {count} message(s) of {queue} of dead worker {brokerId}"), {
      count,
      queue: queueName,
      brokerId,
    });
  }

  /**
   * Removes reports and registry entries of workers of this library that Python's maintenance has found
   * dead. That requeues their messages and removes their heartbeats, so that {@linkcode takeOver} does
   * not find them, but it does not know their reports nor the delayed messages that they have sorted.
   */
  async forgetSilent(): Promise<void> {
    const { connection, keys, delayRegistry } = this.#session;
    await delayRegistry.leaveSilent();
    let cursor = "0";
    do {
      const args = [cursor, FORGET_COUNT];
      const reply = await connection.run(FORGET_REPORTS, [keys.heartbeats, keys.reports], args);
      cursor = String(reply);
    } while (cursor !== "0");
  }

  /** Drops old dead letters of the queues of this broker. */
  async expire(): Promise<void> {
    const { connection, keys, serverClock } = this.#session;
    const limit = await serverClock.read() - this.#options.deadMessageTtl;
    const queueNames = new Set(Array.from(this.#broker.queues, canonicalQueueName));
    const all = Array.from(queueNames, (queueName) => keys.of(queueName));
    for (let i = 0; i < all.length; i += EXPIRE_QUEUES) {
      const stored = all.slice(i, i + EXPIRE_QUEUES)
        .flatMap(({ deadLetters, deadMessages }) => [deadLetters, deadMessages]);
      let dropped: RedisReply;
      do {
        dropped = await connection.run(EXPIRE, stored, [limit, MAX_BATCH]);
      } while (dropped === MAX_BATCH);
    }
    for (const queueName of queueNames) await this.#forgetSuspects(queueName);
  }

  async #forgetSuspects(queueName: string): Promise<void> {
    const { connection, keys } = this.#session;
    const { suspects, messages } = keys.of(queueName);
    let cursor = "0";
    do {
      const args = [cursor, FORGET_COUNT];
      cursor = String(await connection.run(FORGET_SUSPECTS, [suspects, messages], args));
    } while (cursor !== "0");
  }

  /** Finds broker and queue of unacknowledged messages of dead brokers, on any queue. */
  async #findUnacknowledged(dead: ReadonlySet<string>): Promise<[string, string][]> {
    const prefix = this.#session.keys.unacknowledgedBy("", "").slice(0, -1);
    const found: [string, string][] = [];
    for await (const key of this.#scan(`${escapePattern(prefix)}*`)) {
      // Ids of brokers have no dot, names of queues may.
      const [brokerId, ...queueName] = key.slice(prefix.length).split(".");
      if (dead.has(brokerId!)) found.push([brokerId!, queueName.join(".")]);
    }
    return found;
  }

  async *#scan(pattern: string): AsyncGenerator<string> {
    const { connection, keys } = this.#session;
    let cursor = "0";
    do {
      const reply = await connection.scan(keys.heartbeats, cursor, pattern, SCAN_COUNT);
      const [next, found] = reply as [Buffer, Buffer[]];
      for (const key of found) yield key.toString();
      cursor = next.toString();
    } while (cursor !== "0");
  }
}

function escapePattern(text: string): string {
  return text.replace(/[*?[\]\\^]/g, "\\$&");
}

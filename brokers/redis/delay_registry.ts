import { delayQueueName } from "../../core/queue_names.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { RESTORE } from "./delayed_scripts.ts";
import { LIST_SILENT } from "./recovery_scripts.ts";
import { MAX_BATCH } from "./scripts.ts";
import type { RedisConnection } from "../../clients/redis/connection.ts";
import type { Keys } from "./keys.ts";
import type { ServerClock } from "./server_clock.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("redis");
/** Maximum age of a heartbeat, in milliseconds, for a worker to count as serving its queues. */
const SERVES_FOR = 3_000;
/** Number of entries that one call reads. */
const LIST_COUNT = 500;

/** Result of {@linkcode RedisBroker.restoreDelayed}. */
export interface RestoredDelayed {
  /** Number of messages that were moved back to the delay queue. */
  readonly restored: number;
  /** Number of workers of this library that serve the queue, and promote its delayed messages. */
  readonly workers: number;
}

/** Parts of a broker that its registry uses. */
export interface RegistryOwner {
  readonly brokerId: string;
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly serverClock: ServerClock;
}

/**
 * Registry of the brokers of this library that serve delay queues, in Redis. When the last one of a
 * queue leaves or dies, sorted messages are moved back to the delay queue: workers in Python do not
 * read the sorted set, and would never run them.
 *
 * registered (with the first sorting) ─▶ left, or found dead ─(the last one)▶ restored
 */
export class DelayRegistry {
  readonly #session: RegistryOwner;
  /** Queues that a consumer of this broker has sorted, and that the broker has not left. */
  readonly #registered: Set<string> = new Set();

  /**
   * Registers nothing yet.
   *
   * @param session The broker.
   */
  constructor(session: RegistryOwner) {
    this.#session = session;
  }

  /** Queues that this broker is still registered for. */
  get registered(): readonly string[] {
    return [...this.#registered];
  }

  /**
   * Notes a queue as registered.
   *
   * @param queueName The queue whose delayed messages are sorted.
   * @returns The entry that `SORT` adds to the registry.
   */
  register(queueName: string): string {
    this.#registered.add(queueName);
    return entryOf(queueName, this.#session.brokerId);
  }

  /**
   * Removes this broker from the registry, and restores delayed messages if it was the last one. During
   * an outage it does nothing: the next worker finds this one dead. Never rejects.
   *
   * @param queueName The queue.
   */
  async leave(queueName: string): Promise<void> {
    const { brokerId, connection } = this.#session;
    this.#registered.delete(queueName);
    if (!connection.isUp) return;
    try {
      await this.restore(queueName, brokerId);
    } catch (error) {
      log.warn("Cannot restore the delayed messages of {queue} for workers in Python: {reason}", {
        queue: queueName,
        reason: errorMessage(error),
        error,
      });
    }
  }

  /**
   * Removes dead brokers from the registry, and restores delayed messages of queues without another.
   *
   * @param dead Their ids.
   */
  async leaveDead(dead: ReadonlySet<string>): Promise<void> {
    const { connection, keys } = this.#session;
    const reply = await connection.command("list delay queues", "zrange", keys.delays, 0, -1);
    const entries = reply as readonly unknown[];
    for (const entry of entries) {
      const [queueName, brokerId] = String(entry).split("/") as [string, string];
      if (dead.has(brokerId)) await this.restore(queueName, brokerId);
    }
  }

  /**
   * Removes brokers without a heartbeat from the registry: those that a program in Python has found
   * dead. Restores delayed messages of queues without another broker.
   */
  async leaveSilent(): Promise<void> {
    const { connection, keys: { heartbeats, delays } } = this.#session;
    const queueNames: Set<string> = new Set();
    for (let first = 0, count = LIST_COUNT; count === LIST_COUNT; first += LIST_COUNT) {
      const range = [first, first + LIST_COUNT - 1];
      const reply = await connection.run(LIST_SILENT, [heartbeats, delays], range);
      const [read, ...silent] = reply as [number, ...unknown[]];
      for (const entry of silent) queueNames.add(String(entry).split("/")[0]!);
      count = read;
    }
    // `RESTORE` checks the heartbeats again: one that was renewed meanwhile keeps its entry.
    for (const queueName of queueNames) await this.restore(queueName);
  }

  /**
   * Moves delayed messages back to the delay queue, in the order of their etas, unless a worker of this
   * library serves the queue.
   *
   * @param queueName The queue.
   * @param leaving Broker to remove from the registry first, if any.
   */
  async restore(queueName: string, leaving = ""): Promise<RestoredDelayed> {
    const { connection, keys, serverClock } = this.#session;
    const { etas, queue, messages } = keys.of(delayQueueName(queueName));
    const all = [keys.delays, keys.heartbeats, etas, queue, messages];
    let restored = 0;
    while (true) {
      const args = [serverClock.argument, queueName, leaving, SERVES_FOR, MAX_BATCH];
      const reply = await connection.run(RESTORE, all, args);
      const [count, left, workers] = reply as [number, number, number];
      restored += count;
      if (left > 0 && workers === 0) continue;
      if (restored > 0) {
        log.info(
          counted(restored, "Restored {count} delayed message(s) of {queue} for workers in Python"),
          {
            count: restored,
            queue: queueName,
          },
        );
      }
      return { restored, workers };
    }
  }
}

/** Entry of the registry. Names of queues have no slash. */
function entryOf(queueName: string, brokerId: string): string {
  return `${queueName}/${brokerId}`;
}

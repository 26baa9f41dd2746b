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
/** Milliseconds since the last heartbeat up to which a worker counts as serving its queues. */
const SERVES_FOR = 3_000;
/** Number of entries Redis looks at in one call. */
const LIST_COUNT = 500;

/** Result of {@linkcode RedisBroker.restoreDelayed}. */
export interface RestoredDelayed {
  /** Number of messages that are on the delay queue again. */
  readonly restored: number;
  /** Number of workers of this library that serve the queue: they promote what is delayed. */
  readonly workers: number;
}

/** The broker of a registry. */
export interface RegistryOwner {
  readonly brokerId: string;
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly serverClock: ServerClock;
}

/**
 * Notes which workers of this library serve which delay queues, and puts what they have sorted
 * by eta back on the delay queue when none is left: workers in Python know nothing of the sorted
 * set, and would never run it.
 *
 * registered (with the first sorting) ─▶ signed off, or found dead ─(the last one)▶ restored
 */
export class DelayRegistry {
  readonly #session: RegistryOwner;
  /** Queues that a consumer of this broker has sorted, and that it has not signed off from. */
  readonly #registered: Set<string> = new Set();

  /**
   * Has registered nothing yet.
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
   * Gives the entry by which a sorting registers this broker.
   *
   * @param queueName The queue whose delayed messages are sorted.
   */
  register(queueName: string): string {
    this.#registered.add(queueName);
    return entryOf(queueName, this.#session.brokerId);
  }

  /**
   * Signs this broker off, and restores what is delayed if it was the last one. While the server
   * is away that is left to the next worker; it never rejects.
   *
   * @param queueName The queue whose delayed messages this broker sorts no longer.
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
   * Signs dead brokers off, and restores what is delayed where none is left.
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
   * Signs brokers off that have no heartbeat: a program in Python has found them dead. Restores what
   * is delayed where none is left.
   */
  async leaveSilent(): Promise<void> {
    const { connection, keys: { heartbeats, delays } } = this.#session;
    const queueNames: Set<string> = new Set();
    for (let first = 0, count = LIST_COUNT; count === LIST_COUNT; first += LIST_COUNT) {
      const range = [first, first + LIST_COUNT - 1];
      const reply = await connection.run(LIST_SILENT, [heartbeats, delays], range);
      const [looked, ...found] = reply as [number, ...unknown[]];
      for (const entry of found) queueNames.add(String(entry).split("/")[0]!);
      count = looked;
    }
    // One that has a heartbeat again meanwhile stays: restoring looks once more.
    for (const queueName of queueNames) await this.restore(queueName);
  }

  /**
   * Puts delayed messages back on the delay queue, in the order of their etas, unless a worker
   * of this library serves the queue.
   *
   * @param queueName The queue.
   * @param leaving The broker to sign off first, if any.
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

/** Names of queues have no slash. */
function entryOf(queueName: string, brokerId: string): string {
  return `${queueName}/${brokerId}`;
}

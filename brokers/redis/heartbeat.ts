import type { Timer } from "../../platform/clock.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { ReportCollector } from "../../core/report_collector.ts";
import { failConsumers } from "./lease.ts";
import type { RedisReply } from "../../clients/redis/reply.ts";
import { HEARTBEAT, LEAVE } from "./recovery_scripts.ts";
import { type RedisSession, runOnce, type ServedQueue } from "./session.ts";
import { currentMinute, toFields } from "./report_writer.ts";
import type { Recovery } from "./recovery.ts";

const log = /* @__PURE__ */ getLogger("redis");
/**
 * Maximum of queues that one heartbeat reads: 500 with their delay queues. They block Redis for some
 * milliseconds.
 */
const QUEUES_PER_HEARTBEAT = 1_000;
/** Number of heartbeats per ping of the notification connections. */
const HEARTBEATS_PER_PING = 6;
/** Approximate milliseconds between two removals of old dead letters. */
const EXPIRY_INTERVAL = 60_000;
/**
 * Milliseconds that the connection must have been up before this broker takes over from others:
 * after an outage of the server, all heartbeats are old and about to be renewed.
 */
const RECONNECT_GRACE = 3_000;

/** Options of a {@linkcode Heartbeat}. */
export interface HeartbeatOptions {
  /** Approximate milliseconds between two heartbeats. */
  readonly interval: number;
  /** Milliseconds without a heartbeat after which a worker counts as dead. */
  readonly heartbeatTimeout: number;
  /** Recovers the messages of dead workers. */
  readonly recovery: Recovery;
  /** Collects the workers' reports, which heartbeats store. */
  readonly reports: ReportCollector;
}

/**
 * The heartbeat of a broker that has consumers. At an interval, one script renews it, and returns the
 * states of the queues and the number of dead workers.
 *
 * Notifications tell consumers of new messages at once; heartbeats find messages whose notification
 * was missed. With more than `QUEUES_PER_HEARTBEAT` queues, successive heartbeats take turns.
 */
export class Heartbeat {
  readonly #session: RedisSession;
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #isRunning = false;
  #count = 0;
  /** Index of the first queue of the next heartbeat, if they take turns. */
  #position = 0;
  #nextExpiry: number;

  /**
   * Stores the options; `start` sends the first heartbeat after an interval.
   *
   * @param session The broker.
   * @param options Interval, timeout, and what to do with the results.
   */
  constructor(session: RedisSession, options: HeartbeatOptions) {
    this.#session = session;
    this.#options = options;
    this.#nextExpiry = session.lease.now + Math.random() * EXPIRY_INTERVAL;
  }

  /** Starts the heartbeats, unless they are running. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#schedule();
  }

  /** Stops the heartbeats. */
  stop(): void {
    this.#isRunning = false;
    this.#session.clock.clearTimer(this.#timer);
  }

  /** Removes the heartbeat from Redis, unless messages of this broker are unacknowledged. */
  async leave(): Promise<void> {
    const { brokerId, connection, keys } = this.#session;
    const { heartbeats, reports, allUnacknowledged } = keys;
    await connection.run(LEAVE, [heartbeats, reports, ...allUnacknowledged], [
      brokerId,
      this.#count > 0 ? 1 : 0,
    ]);
  }

  #schedule(): void {
    if (!this.#isRunning) return;
    // Random, so that workers which were started together do not all call at the same time.
    const delay = this.#options.interval * (0.875 + Math.random() / 4);
    this.#timer = this.#session.clock.setTimer(() => {
      const { lease, queues } = this.#session;
      if (lease.isLost) failConsumers(lease, queues.values());
      this.#schedule();
      const watched = [...queues.values()].filter(({ isWatched }) => isWatched);
      if (watched.length === 0) return;
      this.#beat(this.#next(watched)).catch((error) => {
        log.debug("Failed to renew the heartbeat: {reason}", {
          reason: errorMessage(error),
          error,
        });
      });
    }, delay);
  }

  /** Queues of the next heartbeat. */
  #next(watched: readonly ServedQueue[]): readonly ServedQueue[] {
    if (watched.length <= QUEUES_PER_HEARTBEAT) return watched;
    if (this.#position >= watched.length) this.#position = 0;
    const next = watched.slice(this.#position, this.#position + QUEUES_PER_HEARTBEAT);
    this.#position += QUEUES_PER_HEARTBEAT;
    return next;
  }

  async #beat(queues: readonly ServedQueue[]): Promise<void> {
    const { serverClock, notifier, lease } = this.#session;
    if (++this.#count % HEARTBEATS_PER_PING === 0) notifier.ping();
    const { reports: stored, queueNames } = this.#session.keys;
    const ofQueues = queues.flatMap(({ name }) => {
      const { queue, unacknowledged, etas } = this.#session.keys.of(name);
      return [queue, unacknowledged, etas];
    });
    const keys = [stored, queueNames, currentMinute(this.#session), ...ofQueues];
    const [sentAt, wasHeld] = [lease.now, lease.isHeld];
    const { heartbeatTimeout, reports } = this.#options;
    const collected = reports.take(sentAt);
    const args = [heartbeatTimeout, collected.report, ...toFields(collected.counts)];
    const reply = await runOnce(this.#session, HEARTBEAT, keys, args).catch((error) => {
      reports.lost(collected);
      throw error;
    });
    const [wasKnown, dead, now, ...found] = reply as [number, number, number, ...RedisReply[]];
    serverClock.note(now, sentAt);
    // Without its heartbeat, this broker was found dead, and another has taken over its messages.
    if (lease.isLost || (wasKnown === 0 && wasHeld)) {
      return failConsumers(lease, this.#session.queues.values());
    }
    lease.renew(sentAt);
    for (const [i, queue] of queues.entries()) updateQueue(queue, now, found.slice(i * 3));
    await this.#recover(dead > 0);
  }

  async #recover(someAreDead: boolean): Promise<void> {
    const { connection, lease: { now } } = this.#session;
    const expires = now >= this.#nextExpiry;
    if (expires) this.#nextExpiry = now + EXPIRY_INTERVAL * (0.75 + Math.random() / 2);
    const takesOver = someAreDead && connection.upFor >= RECONNECT_GRACE;
    if (takesOver || expires) await this.#options.recovery.runAlone({ takesOver, expires });
  }
}

function updateQueue(
  queue: ServedQueue,
  now: number,
  [length, unacknowledged, eta]: RedisReply[],
): void {
  queue.heartbeat({
    now,
    length: length as number,
    unacknowledged: unacknowledged as number,
    nextEta: eta ? Number(String(eta)) : Infinity,
  });
}

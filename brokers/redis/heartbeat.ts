import type { Timer } from "../../platform/clock.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { ReportCollector } from "../../core/report_collector.ts";
import { tellLoss } from "./lease.ts";
import type { RedisReply } from "../../clients/redis/reply.ts";
import { HEARTBEAT, LEAVE } from "./recovery_scripts.ts";
import { type RedisSession, runOnce, type ServedQueue } from "./session.ts";
import { currentMinute, toFields } from "./report_writer.ts";
import type { Recovery } from "./recovery.ts";

const log = /* @__PURE__ */ getLogger("redis");
/**
 * Number of queues a heartbeat looks at: those of 500 names, with their delay queues. Redis does
 * nothing else meanwhile, and that many take it some milliseconds.
 */
const MAX_QUEUES = 1_000;
/** Number of heartbeats to one question whether the other connections live. */
const HEARTBEATS_PER_PING = 6;
/** Milliseconds between two looks for dead letters that are too old, about. */
const EXPIRY_INTERVAL = 60_000;
/**
 * Milliseconds that the connection must have been up before others count as dead. After
 * an outage of the server nobody has a heartbeat, and all are about to renew theirs.
 */
const GRACE = 3_000;

/** Options of a {@linkcode Heartbeat}. */
export interface HeartbeatOptions {
  /** Milliseconds between two, about. */
  readonly interval: number;
  /** Milliseconds for which a heartbeat counts. */
  readonly heartbeatTimeout: number;
  /** Takes over from the dead. */
  readonly recovery: Recovery;
  /** Collects what heartbeats say of workers. */
  readonly reports: ReportCollector;
}

/**
 * The heartbeat of a broker that has consumers: one call every now and then that renews it, and
 * returns queue states for the consumers and whether a worker is dead.
 *
 * Consumers are told of new messages otherwise, too, and at once; this is what finds
 * those that slipped through. With very many queues, each heartbeat looks at the next ones of them.
 */
export class Heartbeat {
  readonly #session: RedisSession;
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #isRunning = false;
  #count = 0;
  /** Index of the first queue of the next heartbeat, when there are more than it can. */
  #position = 0;
  #nextExpiry: number;

  /**
   * Makes one that does not beat yet.
   *
   * @param session The broker.
   * @param options How often, and what counts as dead.
   */
  constructor(session: RedisSession, options: HeartbeatOptions) {
    this.#session = session;
    this.#options = options;
    this.#nextExpiry = session.lease.now + Math.random() * EXPIRY_INTERVAL;
  }

  /** Begins to beat; goes on until it is stopped. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#schedule();
  }

  /** Beats no more. */
  stop(): void {
    this.#isRunning = false;
    this.#session.clock.clearTimer(this.#timer);
  }

  /** Takes the heartbeat away, unless messages of this broker are unacknowledged. */
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
    // Workers that were started together are not to ask all at the same time.
    const delay = this.#options.interval * (0.875 + Math.random() / 4);
    this.#timer = this.#session.clock.setTimer(() => {
      const { lease, queues } = this.#session;
      if (lease.isLost) tellLoss(lease, queues.values());
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

  /** The queues whose turn it is. */
  #next(watched: readonly ServedQueue[]): readonly ServedQueue[] {
    if (watched.length <= MAX_QUEUES) return watched;
    if (this.#position >= watched.length) this.#position = 0;
    const next = watched.slice(this.#position, this.#position + MAX_QUEUES);
    this.#position += MAX_QUEUES;
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
    // Another worker has found this one dead and taken over.
    if (lease.isLost || (wasKnown === 0 && wasHeld)) {
      return tellLoss(lease, this.#session.queues.values());
    }
    lease.renew(sentAt);
    for (const [i, queue] of queues.entries()) tell(queue, now, found.slice(i * 3));
    await this.#recover(dead > 0);
  }

  async #recover(someAreDead: boolean): Promise<void> {
    const { connection, lease: { now } } = this.#session;
    const expires = now >= this.#nextExpiry;
    if (expires) this.#nextExpiry = now + EXPIRY_INTERVAL * (0.75 + Math.random() / 2);
    const takesOver = someAreDead && connection.upFor >= GRACE;
    if (takesOver || expires) await this.#options.recovery.runAlone({ takesOver, expires });
  }
}

function tell(
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

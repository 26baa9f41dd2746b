import type { MessageProxy } from "../core/message_proxy.ts";
import { healthOf } from "../worker/health.ts";
import type { WorkerHealth } from "../worker/health_report.ts";
import type { Worker } from "../worker/worker.ts";
import { tell } from "./ipc.ts";

/** Milliseconds between two polls of what is running. */
const INTERVAL = 250;
/** Milliseconds that stand for any longer time: JSON has no infinity. */
const LONGEST = 1e12;

/**
 * Counts of a worker's messages, for status reports.
 *
 * How long a message has been running is known by looking now and then, rather than from a
 * time noted with each one: that would cost every message something, for the few that hang.
 */
export class WorkerStats {
  readonly #worker: Worker;
  readonly #startedAt: number = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  /** Messages that ran at the last poll, and when each was first seen. */
  #seen: Map<MessageProxy, number> = new Map();

  constructor(worker: Worker) {
    this.#worker = worker;
    this.#timer = setInterval(() => this.#look(), INTERVAL);
  }

  /** Looks no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Tells the supervisor. */
  tell(): void {
    this.#look();
    const [health] = healthOf(this.#worker).workers as [WorkerHealth];
    const { state, slots, inFlight, done, failed, retried, brokerSilentFor } = health;
    const now = performance.now();
    let oldest: [MessageProxy, number] | undefined;
    for (const entry of this.#seen) {
      if (oldest === undefined || entry[1] < oldest[1]) oldest = entry;
    }
    tell({
      type: "status",
      uptime: Math.round(now - this.#startedAt),
      ...{ state, slots, inFlight, done, failed, retried },
      brokerSilentFor: Math.round(Math.min(brokerSilentFor, LONGEST)),
      ...(oldest !== undefined && {
        oldest: {
          messageId: oldest[0].messageId,
          actor: oldest[0].actorName,
          queue: oldest[0].queueName,
          runningFor: Math.round(now - oldest[1]),
        },
      }),
    });
  }

  #look(): void {
    const now = performance.now();
    const seen = new Map<MessageProxy, number>();
    for (const message of this.#worker.running) seen.set(message, this.#seen.get(message) ?? now);
    this.#seen = seen;
  }
}

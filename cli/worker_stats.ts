import type { MessageProxy } from "../core/message_proxy.ts";
import { healthOf } from "../worker/health.ts";
import type { WorkerHealth } from "../worker/health_report.ts";
import type { Worker } from "../worker/worker.ts";
import { sendRecord } from "./ipc.ts";

/** Milliseconds between two polls of the running messages. */
const INTERVAL = 250;
/** Maximum of milliseconds in a record, also for infinity, which JSON cannot encode. */
const LONGEST = 1e12;

/**
 * Status of a worker process: numbers of messages, and the one that has been running longest.
 *
 * The times of running messages come from polling. To record the start of each message would slow
 * down all messages.
 */
export class WorkerStats {
  readonly #worker: Worker;
  readonly #startedAt: number = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  /** Messages that were running at the last poll, with the time at which each was first seen. */
  #seen: Map<MessageProxy, number> = new Map();

  constructor(worker: Worker) {
    this.#worker = worker;
    this.#timer = setInterval(() => this.#poll(), INTERVAL);
  }

  /** Stops polling. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Sends the status to the supervisor. */
  send(): void {
    this.#poll();
    const [health] = healthOf(this.#worker).workers as [WorkerHealth];
    const { state, slots, inFlight, done, failed, retried, brokerSilentFor } = health;
    const now = performance.now();
    let oldest: [MessageProxy, number] | undefined;
    for (const entry of this.#seen) {
      if (oldest === undefined || entry[1] < oldest[1]) oldest = entry;
    }
    sendRecord({
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

  #poll(): void {
    const now = performance.now();
    const seen = new Map<MessageProxy, number>();
    for (const message of this.#worker.running) seen.set(message, this.#seen.get(message) ?? now);
    this.#seen = seen;
  }
}

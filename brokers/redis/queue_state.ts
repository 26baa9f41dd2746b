import { joinByPolling, type JoinOptions } from "../../core/join.ts";
import { delayQueueName, toCanonicalQueueName } from "../../core/queue_names.ts";
import { COUNT, PURGE } from "./scripts.ts";
import { type RedisSession, runWithRetry } from "./session.ts";

/** Number of messages a queue has. */
export interface QueueMessageCounts {
  /** Waiting to be fetched. */
  readonly ready: number;
  /** Waiting for their eta. */
  readonly delayed: number;
  /** Fetched by a worker, and not yet settled. */
  readonly unacknowledged: number;
  /** Dead letters. */
  readonly dead: number;
}

/**
 * Counts the messages of a queue.
 *
 * @param session The broker.
 * @param queueName The queue, not that of its delayed messages.
 */
export async function countMessages(
  session: RedisSession,
  queueName: string,
): Promise<QueueMessageCounts> {
  const { queue, messages, delayed, deadLetters } = session.keys.of(queueName);
  const reply = await runWithRetry(session, COUNT, [queue, messages, delayed, deadLetters]);
  const [ready, stored, waiting, dead] = reply as [number, number, number, number];
  const unacknowledged = Math.max(0, stored - ready);
  return { ready, delayed: waiting, unacknowledged, dead };
}

/** Milliseconds between two checks whether a queue is empty. */
const JOIN_INTERVAL = 50;

/**
 * Waits until a queue and its delay queue are empty, and nothing of them is unacknowledged.
 *
 * @param session The broker.
 * @param queueName The queue.
 * @param options How long to wait.
 */
export async function joinQueue(
  session: RedisSession,
  queueName: string,
  options: JoinOptions,
): Promise<void> {
  const canonical = toCanonicalQueueName(queueName, "join queue");
  const isIdle = async () => {
    const { ready, delayed, unacknowledged } = await countMessages(session, canonical);
    return ready + delayed + unacknowledged === 0;
  };
  const { clock } = session;
  await joinByPolling({ queueName, clock, interval: JOIN_INTERVAL, isIdle }, options);
}

/**
 * Drops all messages of a queue, delayed ones and dead letters included.
 *
 * @param session The broker.
 * @param queueName The queue, not that of its delayed messages.
 */
export async function purgeQueue(session: RedisSession, queueName: string): Promise<void> {
  const all = [queueName, delayQueueName(queueName)].map((name) => session.keys.of(name));
  const dropped = all.flatMap(({ queue, messages, unacknowledged }) => [
    queue,
    messages,
    unacknowledged,
  ]);
  const { etas, deadLetters, deadMessages, suspects } = all[0]!;
  await runWithRetry(session, PURGE, [...dropped, etas, deadLetters, deadMessages, suspects]);
}

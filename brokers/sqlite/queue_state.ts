import { type JoinOptions, joinTimeout, joinTooLate } from "../../core/join.ts";
import { monotonicTime, type Timer } from "../../platform/clock.ts";
import { Notifier } from "../../platform/notifier.ts";
import type { MessageState } from "../../core/inspection.ts";
import type { Session } from "./session.ts";
import {
  COUNTS,
  FLUSH_DEAD,
  FLUSH_DELAYED,
  FLUSH_READY,
  FLUSH_TAKEN,
  IS_BUSY,
} from "./statements.ts";

/** Statements that drop up to a thousand messages of a queue, by state. */
export const FLUSH: Readonly<Record<MessageState, string>> = {
  ready: FLUSH_READY,
  delayed: FLUSH_DELAYED,
  unacknowledged: FLUSH_TAKEN,
  dead: FLUSH_DEAD,
};

/** Number of messages a queue has. */
export interface SqliteMessageCounts {
  /** Waiting to be received. */
  readonly ready: number;
  /** Waiting for their eta. */
  readonly delayed: number;
  /** Received by a worker, and not yet settled. */
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
  { connection, queues }: Session,
  queueName: string,
): Promise<SqliteMessageCounts> {
  return await connection.read(() => {
    const id = queues.find(queueName);
    if (id === undefined) return { ready: 0, delayed: 0, unacknowledged: 0, dead: 0 };
    return { ...connection.statement(COUNTS).get(id, id, id, id) as SqliteMessageCounts };
  });
}

/**
 * True if a queue has no ready, delayed or unacknowledged messages.
 *
 * @param session The broker.
 * @param queueName The queue, not that of its delayed messages.
 */
async function isIdle({ connection, queues }: Session, queueName: string): Promise<boolean> {
  return await connection.read(() => {
    const id = queues.find(queueName);
    if (id === undefined) return true;
    return (connection.statement(IS_BUSY).get(id, id, id) as { busy: number }).busy === 0;
  });
}

/**
 * Waits until a queue has no messages but dead letters. Checks at first, and after each commit.
 *
 * @param session The broker.
 * @param queueName The queue, not that of its delayed messages.
 * @param options How long to wait.
 * @param assertOpen Throws if the broker is closed.
 */
export async function joinQueue(
  session: Session,
  queueName: string,
  options: JoinOptions,
  assertOpen: () => void,
): Promise<void> {
  const { clock, connection: { notifier } } = session;
  const timeout = joinTimeout(queueName, options);
  const { signal } = options;
  const endsAt = monotonicTime(clock) + timeout;
  const changed = new Notifier();
  const wake = () => changed.notify();
  let timer: Timer | undefined;
  signal?.addEventListener("abort", wake);
  notifier.listen(wake);
  try {
    while (true) {
      signal?.throwIfAborted();
      assertOpen();
      const next = changed.next();
      if (await isIdle(session, queueName)) return;
      const left = endsAt - monotonicTime(clock);
      if (left <= 0) throw joinTooLate(queueName, timeout);
      // Set anew each time: timers may fire a millisecond early.
      clock.clearTimer(timer);
      timer = clock.setTimer(wake, Math.ceil(left));
      await next;
    }
  } finally {
    notifier.unlisten(wake);
    signal?.removeEventListener("abort", wake);
    clock.clearTimer(timer);
  }
}

/**
 * Drops all messages of a queue, delayed ones and dead letters included, a thousand in each
 * transaction. A later acknowledgement of an unacknowledged one has no effect.
 *
 * @param session The broker.
 * @param queueName The queue, not that of its delayed messages.
 */
export async function flushQueue(
  { connection, queues }: Session,
  queueName: string,
): Promise<void> {
  const id = await connection.read(() => queues.find(queueName));
  if (id === undefined) return;
  for (const sql of Object.values(FLUSH)) {
    const drop = () => Number(connection.statement(sql).run(id).changes);
    while (await connection.writer.transact(drop) > 0);
  }
  connection.notifier.notify();
}

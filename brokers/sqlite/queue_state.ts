import type { Session } from "./session.ts";
import { COUNTS, FLUSH, IS_BUSY } from "./statements.ts";

/** Number of messages a queue has. */
export interface SqliteMessageCounts {
  /** Waiting to be received. */
  readonly ready: number;
  /** Waiting for their time. */
  readonly delayed: number;
  /** Received by a worker, and not settled. */
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
 * True if nothing of a queue is waiting, delayed or being worked on.
 *
 * @param session The broker.
 * @param queueName The queue, not that of its delayed messages.
 */
export async function isIdle({ connection, queues }: Session, queueName: string): Promise<boolean> {
  return await connection.read(() => {
    const id = queues.find(queueName);
    if (id === undefined) return true;
    return (connection.statement(IS_BUSY).get(id, id, id) as { busy: number }).busy === 0;
  });
}

/**
 * Drops all messages of a queue, a thousand in each transaction: delayed ones and dead letters,
 * too. An acknowledgement of one that a worker has changes nothing.
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
  for (const sql of FLUSH) {
    const drop = () => Number(connection.statement(sql).run(id).changes);
    while (await connection.writer.transact(drop) > 0);
  }
  connection.notifier.notify();
}

import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { MaintenanceTask } from "../../clients/sqlite/maintenance.ts";
import type { StoredDeadLetter } from "../../core/dead_letters.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import type { Message } from "../../core/message.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Session } from "./session.ts";
import { DEAD_PAGE, DROP_DEAD, HAS_OLD_DEAD, LAST_DEAD, PURGE_DEAD } from "./statements.ts";
import { type Entry, insert } from "./storing.ts";

interface DeadRow {
  readonly id: number;
  readonly due: number;
  readonly body: Encoded;
}

/**
 * Reads the dead letters of a queue by id, up to the last one at the beginning. Ids are never reused.
 *
 * @param session The broker.
 * @param queueName The queue.
 * @param pageSize Number of dead letters that are read at once.
 * @param toEntry Makes the row of a requeued message.
 */
export async function* readDeadLetters(
  session: Session,
  queueName: string,
  pageSize: number,
  toEntry: (message: Message) => Entry,
): AsyncGenerator<StoredDeadLetter> {
  const { connection, queues } = session;
  const range = await connection.read(() => {
    const queue = queues.find(queueName);
    if (queue === undefined) return undefined;
    const { last } = connection.statement(LAST_DEAD).get(queue) as { last: number | null };
    return last === null ? undefined : { queue, last };
  });
  if (range === undefined) return;
  for (let after = 0;;) {
    const rows = await connection.read(() =>
      connection.statement(DEAD_PAGE).all(range.queue, after, range.last, pageSize)
    ) as DeadRow[];
    for (const row of rows) yield storedDeadLetter(session, row, toEntry);
    if (rows.length < pageSize) return;
    after = rows.at(-1)!.id;
  }
}

/** Maintenance task that drops dead letters older than `ttl` milliseconds. */
export function purgeOfDeadLetters(
  connection: SqliteConnection,
  clock: Clock,
  ttl: number,
): MaintenanceTask {
  const oldest = () => Math.trunc(clock.now() - ttl);
  return {
    isDue: () => Boolean(connection.statement(HAS_OLD_DEAD).get(oldest())),
    run: () => void connection.statement(PURGE_DEAD).run(oldest()),
  };
}

function storedDeadLetter(
  { connection, queues }: Session,
  { id, due, body }: DeadRow,
  toEntry: (message: Message) => Entry,
): StoredDeadLetter {
  const drop = () => Number(connection.statement(DROP_DEAD).run(id).changes) === 1;
  return {
    data: body,
    diedAt: due,
    async requeue(message) {
      const entry = toEntry(message);
      const isDone = await connection.writer.transact(() => {
        if (!drop()) return false;
        insert(connection, queues.get(entry.queueName), entry);
        return true;
      }).catch((error) => {
        queues.forget();
        throw error;
      });
      if (isDone) connection.notifier.notify();
      return isDone;
    },
    drop: () => connection.writer.transact(drop),
  };
}

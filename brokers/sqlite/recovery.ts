import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { getLogger } from "../../platform/logging.ts";
import { DELETE_WORKER, RECOVER, RECOVER_DEAD, SELECT_BEAT } from "./statements.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "recovery");

/** Number of messages {@linkcode RECOVER} gives back. */
const BATCH = 500;

/**
 * Gives back what a dead worker had, and removes its row. It ends early when the worker turns out
 * to live: each batch looks at its heartbeat in the same transaction.
 *
 * @param connection The connection.
 * @param worker The id of its row.
 * @param beat Its last heartbeat.
 * @param isDead False if it is a hold that its own worker has lost: what it had is not suspect.
 */
export async function recover(
  connection: SqliteConnection,
  worker: number,
  beat: number,
  isDead: boolean,
): Promise<void> {
  let count = 0;
  let isDone = false;
  while (!isDone) {
    const changes = await connection.writer.transact(() => {
      const row = connection.statement(SELECT_BEAT).get(worker) as { beat: number } | undefined;
      isDone = row?.beat !== beat;
      if (isDone) return 0;
      const { changes } = connection.statement(isDead ? RECOVER_DEAD : RECOVER).run(worker);
      isDone = Number(changes) < BATCH;
      if (isDone) connection.statement(DELETE_WORKER).run(worker);
      return Number(changes);
    });
    count += changes;
    if (changes > 0) connection.notifier.notify();
  }
  if (count === 0) return;
  log.warn(counted(count, "Requeued {count} message(s) of a dead worker"), { count, worker });
}

import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { getLogger } from "../../platform/logging.ts";
import { DELETE_WORKER, RECOVER, RECOVER_DEAD, SELECT_BEAT } from "./statements.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "recovery");

/** Maximum of messages that {@linkcode RECOVER} requeues. */
const BATCH = 500;

/**
 * Requeues the messages of a worker, and removes its row. Ends early if the worker turns out to be
 * alive: each batch checks its heartbeat in the same transaction.
 *
 * @param connection The connection.
 * @param worker The id of its row, and its last heartbeat.
 * @param cause `dead` makes suspects of the messages; `lost` is a former lease of a living worker.
 */
export async function recover(
  connection: SqliteConnection,
  { id, beat }: { readonly id: number; readonly beat: number },
  cause: "dead" | "lost",
): Promise<void> {
  const requeue = cause === "dead" ? RECOVER_DEAD : RECOVER;
  let count = 0;
  let isDone = false;
  while (!isDone) {
    const changes = await connection.writer.transact(() => {
      const row = connection.statement(SELECT_BEAT).get(id) as { beat: number } | undefined;
      isDone = row?.beat !== beat;
      if (isDone) return 0;
      const { changes } = connection.statement(requeue).run(id);
      isDone = Number(changes) < BATCH;
      if (isDone) connection.statement(DELETE_WORKER).run(id);
      return Number(changes);
    });
    count += changes;
    if (changes > 0) connection.notifier.notify();
  }
  if (count === 0) return;
  log.warn(counted(count, "Requeued {count} message(s) of a dead worker"), { count, worker: id });
}

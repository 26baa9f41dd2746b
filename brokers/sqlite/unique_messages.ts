import type { SqliteControlStore } from "../../control/backends/sqlite.ts";
import type { ControlChange, ControlOutcome } from "../../core/control_store.ts";
import type { Session } from "./session.ts";
import { DELAY_UNIQUE, SELECT_UNIQUE } from "./statements.ts";
import { type Entry, insert } from "./storing.ts";

/** Stores a message if changes of the control store are applied, in one transaction. */
export async function storeWithChanges(
  { connection, queues }: Session,
  store: SqliteControlStore,
  entry: Entry,
  changes: readonly ControlChange[],
): Promise<ControlOutcome> {
  try {
    return await store.changeAnd(changes, () => {
      insert(connection, queues.get(entry.queueName), entry);
    });
  } catch (error) {
    queues.forget(); // one that was new is not there
    throw error;
  }
}

/** Delays a message where it is if changes of the control store are applied. */
export async function delayWithChanges(
  { connection }: Session,
  store: SqliteControlStore,
  { messageId, eta }: { readonly messageId: string; readonly eta: number },
  changes: readonly ControlChange[],
): Promise<ControlOutcome> {
  return await store.changeAnd(changes, () => {
    connection.statement(DELAY_UNIQUE).run(Math.ceil(eta), messageId);
  });
}

/** Looks for the row of a message that has a unique key. */
export async function isUniqueStored(
  { connection }: Session,
  messageId: string,
): Promise<boolean> {
  await connection.open();
  return await connection.read(() => Boolean(connection.statement(SELECT_UNIQUE).get(messageId)));
}

import type { SqliteControlStore } from "../../control/backends/sqlite.ts";
import type { UniqueSteps } from "../../core/claim_entries.ts";
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
    queues.forget(); // a new queue was rolled back
    throw error;
  }
}

/** Steps of unique messages: a delayed one keeps its row, so that its delay can be changed there. */
export function uniqueStepsOf(
  { connection }: Session,
  store: SqliteControlStore,
  assertOpen: () => void,
): Pick<UniqueSteps, "isStored" | "changeDelayed"> {
  return {
    async isStored({ messageId }) {
      await connection.open();
      return await connection.read(() =>
        Boolean(connection.statement(SELECT_UNIQUE).get(messageId))
      );
    },
    async changeDelayed({ messageId }, eta, changes) {
      assertOpen();
      return await store.changeAnd(changes, () => {
        connection.statement(DELAY_UNIQUE).run(Math.ceil(eta), messageId);
      });
    },
  };
}

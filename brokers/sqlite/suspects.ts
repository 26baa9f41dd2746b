import type { MessageProxy } from "../../core/message_proxy.ts";
import { noteOfWorker } from "../../core/suspicion.ts";
import type { SqliteDelivery } from "./delivery.ts";
import type { Session } from "./session.ts";
import { MARK, SELECT_NOTES } from "./statements.ts";

/**
 * Marks suspects that are about to start: messages that were in flight when a worker died.
 *
 * @param session The broker.
 * @param messages Messages that are about to start.
 * @returns The messages without the suspects that another worker has taken over.
 */
export async function markSuspects(
  { connection, clock, lease: { owner } }: Session,
  messages: readonly MessageProxy[],
): Promise<readonly MessageProxy[]> {
  const suspects = (messages as readonly SqliteDelivery[]).filter(isSuspect);
  if (suspects.length === 0) return messages;
  if (owner === undefined) return messages.filter((one) => !isSuspect(one));
  const note = noteOfWorker(clock.now());
  const lost = await connection.writer.transact(() => {
    const mark = connection.statement(MARK);
    return suspects.filter((one) => {
      if (Number(mark.run(note, one.id, owner).changes) === 0) return true;
      const row = connection.statement(SELECT_NOTES).get(one.id) as { notes: string | null };
      one.suspicion = { deaths: one.suspicion!.deaths, notes: row.notes ?? "" };
      return false;
    });
  });
  return messages.filter((one) => !lost.includes(one as SqliteDelivery));
}

function isSuspect({ suspicion }: MessageProxy): boolean {
  return suspicion !== undefined;
}

import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { LONGEST_ROW_BODY } from "../../clients/sqlite/schema.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { ACK, DELETE_BODY, INSERT_BODY, NACK, NACK_CHANGED, REQUEUE } from "./statements.ts";

/** Messages of one batch: what one transaction settles. */
export const MAX_SETTLEMENTS = 500;

/** A message that goes to the dead letters. */
export interface DeadLetterEntry {
  readonly id: number;
  /** Its new form; `undefined` leaves it as it is. */
  readonly body: Encoded | undefined;
}

/** Messages of one consumer that are settled in one transaction. */
export class SettlementBatch {
  readonly acks: number[] = [];
  readonly nacks: DeadLetterEntry[] = [];
  readonly requeues: number[] = [];
  readonly done: PromiseWithResolvers<void> = Promise.withResolvers();
  /** The hold under which they were received. */
  readonly owner: number;

  /** @param owner The hold under which they were received. */
  constructor(owner: number) {
    this.owner = owner;
    this.done.promise.catch(() => {}); // several may wait for it, or nobody
  }

  /** Number of messages it has. */
  get size(): number {
    return this.acks.length + this.nacks.length + this.requeues.length;
  }

  /**
   * Settles them, inside a transaction.
   *
   * @param connection The connection.
   * @param now The time at which dead letters die.
   * @returns How many of them another worker has taken over.
   */
  run(connection: SqliteConnection, now: number): number {
    const { owner } = this;
    let changes = 0;
    if (this.acks.length > 0) {
      const ack = connection.statement(ACK);
      for (const id of this.acks) changes += Number(ack.run(id, owner).changes);
    }
    for (const dead of this.nacks) changes += nack(connection, owner, now, dead);
    const requeue = connection.statement(REQUEUE);
    for (const id of this.requeues) changes += Number(requeue.run(id, owner).changes);
    return this.size - changes;
  }
}

/** A long body is apart from its row, and one that becomes long or short moves. */
function nack(
  connection: SqliteConnection,
  owner: number,
  now: number,
  { id, body }: DeadLetterEntry,
): number {
  if (body === undefined) return Number(connection.statement(NACK).run(now, id, owner).changes);
  const isLong = body.length > LONGEST_ROW_BODY;
  const { changes } = connection.statement(NACK_CHANGED).run(now, isLong ? null : body, id, owner);
  if (Number(changes) === 0) return 0;
  if (isLong) connection.statement(INSERT_BODY).run(id, body);
  else connection.statement(DELETE_BODY).run(id);
  return 1;
}

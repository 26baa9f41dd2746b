import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { LONGEST_ROW_BODY } from "../../clients/sqlite/schema.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { ACK, DELETE_BODY, INSERT_BODY, NACK, NACK_CHANGED, REQUEUE } from "./statements.ts";

/** Messages of one batch: what one transaction settles. */
const MAX_SETTLEMENTS = 500;

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
    this.done.promise.catch(() => {}); // it need not be awaited
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

/** Settlements of one consumer, in the order of the calls, a batch in each transaction. */
export class Settlements {
  readonly #openBatch: () => SettlementBatch;
  readonly #changed: () => void;
  #batches: SettlementBatch[] = [];

  /**
   * Makes an empty collection.
   *
   * @param openBatch Makes a batch; it throws when nothing can be settled any more.
   * @param changed Called when there is something to write.
   */
  constructor(openBatch: () => SettlementBatch, changed: () => void) {
    this.#openBatch = openBatch;
    this.#changed = changed;
  }

  /** True if nothing is to be written. */
  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /**
   * Adds messages by their ids.
   *
   * @returns Resolves when all of them are written.
   */
  add(verb: "acks" | "requeues", ids: Iterable<{ readonly id: number }>): Promise<void> {
    const waited: Promise<void>[] = [];
    try {
      for (const { id } of ids) {
        const batch = this.#batch();
        batch[verb].push(id);
        if (waited.at(-1) !== batch.done.promise) waited.push(batch.done.promise);
      }
    } catch (error) {
      return Promise.reject(error);
    }
    return waited.length === 1 ? waited[0]! : Promise.all(waited).then(() => {});
  }

  /**
   * Adds a message that goes to the dead letters.
   *
   * @returns Resolves when it is there.
   */
  addDead(entry: DeadLetterEntry): Promise<void> {
    const batch = this.#batch();
    batch.nacks.push(entry);
    return batch.done.promise;
  }

  /** Writes the first batch, inside a transaction. @returns How many were taken over. */
  run(connection: SqliteConnection, now: number): number {
    return this.#batches[0]?.run(connection, now) ?? 0;
  }

  /** Resolves the batch that was written. */
  committed(): SettlementBatch | undefined {
    const batch = this.#batches.shift();
    batch?.done.resolve();
    return batch;
  }

  /** Rejects all that is not written. */
  fail(error: unknown): void {
    for (const batch of this.#batches.splice(0)) batch.done.reject(error);
  }

  /** Resolves when all is written. */
  async settled(): Promise<void> {
    await Promise.all(this.#batches.map(({ done }) => done.promise));
  }

  #batch(): SettlementBatch {
    let batch = this.#batches.at(-1);
    if (batch === undefined || batch.size >= MAX_SETTLEMENTS) {
      batch = this.#openBatch();
      this.#batches.push(batch);
      this.#changed();
    }
    return batch;
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

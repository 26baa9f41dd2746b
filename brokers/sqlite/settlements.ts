import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { LONGEST_ROW_BODY } from "../../clients/sqlite/schema.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { ACK, DELETE_BODY, INSERT_BODY, NACK, NACK_CHANGED, REQUEUE } from "./statements.ts";

/** Maximum of messages in a batch. */
const MAX_SETTLEMENTS = 500;

/** A message to dead-letter. */
export interface DeadLetterEntry {
  readonly id: number;
  /** Its new body; `undefined` keeps the stored one. */
  readonly body: Encoded | undefined;
}

/** Messages of one consumer that are settled in one transaction. */
export class SettlementBatch {
  readonly acks: number[] = [];
  readonly nacks: DeadLetterEntry[] = [];
  readonly requeues: number[] = [];
  readonly done: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Id of the lease under which they were received. */
  readonly owner: number;

  /** @param owner Id of the lease under which they were received. */
  constructor(owner: number) {
    this.owner = owner;
    this.done.promise.catch(() => {}); // callers need not await it
  }

  /** Number of messages. */
  get size(): number {
    return this.acks.length + this.nacks.length + this.requeues.length;
  }

  /**
   * Settles them, inside a transaction.
   *
   * @param connection The connection.
   * @param now The time of death of dead letters.
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

/** Pending settlements of one consumer, in the order of the calls; each batch is one transaction. */
export class Settlements {
  readonly #openBatch: () => SettlementBatch;
  readonly #changed: () => void;
  #batches: SettlementBatch[] = [];

  /**
   * Makes an empty collection.
   *
   * @param openBatch Creates a batch, or throws if the consumer can no longer settle.
   * @param changed Called when a batch was opened, which must then be written.
   */
  constructor(openBatch: () => SettlementBatch, changed: () => void) {
    this.#openBatch = openBatch;
    this.#changed = changed;
  }

  /** True if no settlement is pending. */
  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /**
   * Adds messages by their ids.
   *
   * @returns Resolves when all of them are committed.
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
   * Adds a message to dead-letter.
   *
   * @returns Resolves when that is committed.
   */
  addDead(entry: DeadLetterEntry): Promise<void> {
    const batch = this.#batch();
    batch.nacks.push(entry);
    return batch.done.promise;
  }

  /** Settles the first batch, inside a transaction. @returns How many were taken over. */
  run(connection: SqliteConnection, now: number): number {
    return this.#batches[0]?.run(connection, now) ?? 0;
  }

  /** Resolves the first batch, which was committed. */
  committed(): SettlementBatch | undefined {
    const batch = this.#batches.shift();
    batch?.done.resolve();
    return batch;
  }

  /** Rejects all pending settlements. */
  fail(error: unknown): void {
    for (const batch of this.#batches.splice(0)) batch.done.reject(error);
  }

  /** Resolves when all pending settlements are committed. */
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

/** Dead-letters a message. A long body is stored in a table of its own. @returns 1, or 0 if taken over. */
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

import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { nextTurn } from "../../platform/runtime.ts";
import type { ClaimedRow } from "./message_source.ts";
import { IS_TAKEN, SELECT_BODY } from "./statements.ts";

/** Milliseconds of reading in one turn of the event loop. */
const MAX_READING = 4;

/** The consumer of claimed messages. */
export interface LongBodiesOwner {
  /** Receives a message with its body. */
  accept(row: ClaimedRow, body: Encoded): void;
  /** Called in a later turn if some bodies are left to read. */
  resume(): void;
  /** Called if a body cannot be read. */
  fail(error: unknown): void;
}

/**
 * Claimed messages with long bodies, which are in a table of their own. They are read after the claim,
 * outside of its transaction, for some milliseconds in each turn of the event loop.
 */
export class LongBodies {
  readonly #connection: SqliteConnection;
  readonly #owner: LongBodiesOwner;
  #rows: ClaimedRow[] = [];

  constructor(connection: SqliteConnection, owner: LongBodiesOwner) {
    this.#connection = connection;
    this.#owner = owner;
  }

  /** Number of messages that have not been read. */
  get size(): number {
    return this.#rows.length;
  }

  /** Takes all messages that have not been read. */
  takeAll(): ClaimedRow[] {
    return this.#rows.splice(0);
  }

  /**
   * Reads bodies, in order. Those for which there is no time in this turn wait for a later one, and so do
   * all rows behind them.
   */
  read(rows: readonly ClaimedRow[]): void {
    if (this.#rows.length > 0) {
      this.#rows.push(...rows);
      return;
    }
    const begun = performance.now();
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const [id, , , inRow] = row;
      if (inRow === null && performance.now() - begun > MAX_READING) {
        this.#rows.push(...rows.slice(i));
        nextTurn().then(() => this.#owner.resume());
        return;
      }
      const body = inRow ?? this.#readBody(id);
      if (body !== undefined) this.#owner.accept(row, body);
    }
  }

  /**
   * Reads a body. It may be missing: the queue was flushed after the claim, or another program has
   * deleted it. Then the message is empty, and thus undecodable: otherwise it would stay claimed.
   */
  #readBody(id: number): Encoded | undefined {
    try {
      const row = this.#connection.statement(SELECT_BODY).get(id) as { body: Encoded } | undefined;
      if (row !== undefined) return row.body;
      return this.#connection.statement(IS_TAKEN).get(id) ? new Uint8Array(0) : undefined;
    } catch (error) {
      this.#owner.fail(this.#connection.translate(error));
      return undefined;
    }
  }
}

import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { nextTurn } from "../../platform/runtime.ts";
import type { ClaimedRow } from "./message_source.ts";
import { SELECT_BODY } from "./statements.ts";

/** Milliseconds of reading after which the event loop gets its turn. */
const LONGEST_READING = 4;

/** Consumer, as {@linkcode LongBodies} sees it. */
export interface LongBodiesOwner {
  /** Takes a message whose body is known. */
  accept(row: ClaimedRow, body: Encoded): void;
  /** Called in a later turn when some are left. */
  goOn(): void;
  /** Called when one cannot be read. */
  fail(error: unknown): void;
}

/**
 * Claimed messages whose bodies are in a table of their own. They are read after the claim, outside
 * of its transaction, as many in one turn of the event loop as take some milliseconds.
 */
export class LongBodies {
  readonly #connection: SqliteConnection;
  readonly #owner: LongBodiesOwner;
  #rows: ClaimedRow[] = [];

  constructor(connection: SqliteConnection, owner: LongBodiesOwner) {
    this.#connection = connection;
    this.#owner = owner;
  }

  /** Number of messages that are not read yet. */
  get size(): number {
    return this.#rows.length;
  }

  /** Takes out those that are not read yet. */
  takeAll(): ClaimedRow[] {
    return this.#rows.splice(0);
  }

  /**
   * Reads bodies, in order; what takes too long is left for a later turn, and so is what was
   * claimed after that.
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
      if (inRow === null && performance.now() - begun > LONGEST_READING) {
        this.#rows.push(...rows.slice(i));
        nextTurn().then(() => this.#owner.goOn());
        return;
      }
      const body = inRow ?? this.#readBody(id);
      if (body !== undefined) this.#owner.accept(row, body);
    }
  }

  /** A body that is not there went with its message: the queue was flushed meanwhile. */
  #readBody(id: number): Encoded | undefined {
    try {
      const row = this.#connection.statement(SELECT_BODY).get(id) as { body: Encoded } | undefined;
      return row?.body;
    } catch (error) {
      this.#owner.fail(this.#connection.translate(error, false));
      return undefined;
    }
  }
}

import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { MessageState } from "../../core/inspection.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { COUNT_STEP, statementsOf } from "./inspection_statements.ts";

/**
 * Ratio of the time for which a count is cached to the time that it took: counting uses at most 1 % of
 * the time.
 */
const REUSE = 100;

/** A cached count, and when it expires. */
interface Counted {
  readonly count: number;
  readonly until: number;
}

/**
 * Counts the messages of queues. SQLite reads all rows of a count, and blocks the event loop meanwhile.
 * So a count is made in steps, each in a turn of its own, and a large one is cached for a while.
 */
export class RowCounts {
  readonly #connection: SqliteConnection;
  readonly #counted: Map<string, Counted> = new Map();

  /** @param connection The connection. */
  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** Empties the cache. */
  forget(): void {
    this.#counted.clear();
  }

  /**
   * Counts the messages of a queue in one state.
   *
   * @param queue The id of the queue; `undefined` if nothing was ever sent to it.
   * @param state The state.
   */
  async of(queue: number | undefined, state: MessageState): Promise<number> {
    if (queue === undefined) return 0;
    const key = `${state} ${queue}`;
    const startedAt = performance.now();
    const known = this.#counted.get(key);
    if (known !== undefined && startedAt < known.until) return known.count;
    const count = await this.#count(queue, state);
    const now = performance.now();
    if (count < COUNT_STEP) this.#counted.delete(key);
    else this.#counted.set(key, { count, until: now + REUSE * (now - startedAt) });
    return count;
  }

  async #count(queue: number, state: MessageState): Promise<number> {
    const { step, rest, order } = statementsOf(state);
    let start = order.map(() => Number.MIN_SAFE_INTEGER);
    let count = 0;
    while (true) {
      const found = await this.#connection.read(() => {
        const row = this.#connection.statement(step).get(queue, ...start);
        if (row) return order.map((column) => (row as Record<string, number>)[column]!);
        return (this.#connection.statement(rest).get(queue, ...start) as { count: number }).count;
      });
      if (typeof found === "number") return count + found;
      count += COUNT_STEP;
      start = found;
      await nextTurn();
    }
  }
}

import { SqliteBroker } from "../../../mod.ts";
import { encodeReports } from "../../../core/report_format.ts";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import type { SqliteStatement } from "../../../clients/sqlite/database.ts";
import { ACTORS, type Extent, looksAt, MESSAGES, reportOf, sendDelayed, WORKERS } from "./looks.ts";

/** Messages that one statement of a search reads. */
const STEP = 250;
/** Statements of figures besides those that count. */
const FIGURES = 40;
/** Rows of figures: 100 workers, an hour of 20 actors, and what is paused. */
const ROWS = 1_500;

/** A look that was measured. */
export interface MeasuredLook {
  readonly name: string;
  /** Statements, and the most that may run. */
  readonly statements: number;
  readonly cap: number;
  /** Rows that they gave, and the most that they may give. */
  readonly rows: number;
  readonly rowCap: number;
  /** Number of characters that were shown, and milliseconds. */
  readonly shown: number;
  readonly time: number;
}

/** Adds delayed messages, reports of workers, and an hour of history to a filled file. */
export async function fillForLooks(path: string): Promise<void> {
  await using broker = new SqliteBroker({ path, middleware: [] });
  await sendDelayed(broker);
  const connection = connectionOf(broker);
  const now = Date.now();
  await connection.writer.transact(() => {
    for (let i = 0; i < WORKERS; i++) {
      // On another machine: that it stands still is known after the heartbeat timeout.
      connection.statement(
        "insert into dramatiq_workers(host,pid,label,started,report,reported) values('other',1,?,?,?,?)",
      ).run(`broker-${i}`, now, encodeReports([reportOf(i, now)]), now);
    }
    for (let i = 0; i < 60 * ACTORS; i++) {
      const minute = (Math.floor(now / 60_000) - i % 60) * 60_000;
      connection.statement("insert into dramatiq_minutes values(?,?,1,1,1,1)")
        .run(minute, `actor${Math.floor(i / 60)}`);
    }
  });
}

/** Counts the statements of a connection, and the rows that they give. */
class StatementCounter {
  statements = 0;
  rows = 0;

  constructor(broker: SqliteBroker) {
    const connection = connectionOf(broker);
    const prepare = connection.statement.bind(connection);
    connection.statement = (sql) => this.#counting(prepare(sql));
  }

  #counting(statement: SqliteStatement): SqliteStatement {
    this.statements += 1;
    return {
      run: (...values) => statement.run(...values),
      get: (...values) => {
        this.rows += 1;
        return statement.get(...values);
      },
      all: (...values) => {
        const rows = statement.all(...values);
        this.rows += rows.length;
        return rows;
      },
    };
  }
}

/**
 * Counts the statements of pages and commands, and the rows that they give: `plans_test.ts` says that
 * each passes no more of an index than it gives, but for those that count, in steps.
 *
 * @param path The file.
 * @param count Number of waiting messages, and of dead letters.
 */
export async function measureSqliteLooks(path: string, count: number): Promise<MeasuredLook[]> {
  // All brokers of a file use its connection, which this one keeps open.
  await using broker = new SqliteBroker({ path, middleware: [] });
  await broker.connect();
  const counter = new StatementCounter(broker);
  const open = () => new SqliteBroker({ path, middleware: [] });
  // A look counts the states of a queue; a search does so again while there are few of them.
  const counting = 2 * (count / 20_000 + 2) + 4;
  const measured: MeasuredLook[] = [];
  for (const { name, extent, run } of await looksAt(open, `sqlite:${path}`)) {
    const [statements, rows] = [counter.statements, counter.rows];
    const startedAt = performance.now();
    const shown = await run();
    const pages = Math.ceil(MESSAGES[extent] / STEP);
    const cap = FIGURES + 2 * counting + capOfPages(extent, pages, count);
    measured.push({
      name,
      cap,
      rowCap: ROWS + cap + MESSAGES[extent] + pages,
      shown,
      time: performance.now() - startedAt,
      statements: counter.statements - statements,
      rows: counter.rows - rows,
    });
  }
  return measured;
}

/** Each page of messages comes with their number, which is known for a while if there are many. */
function capOfPages(extent: Extent, pages: number, count: number): number {
  if (extent === "figures") return 0;
  return pages * (2 + Math.min(4, Math.ceil(count / 20_000)));
}

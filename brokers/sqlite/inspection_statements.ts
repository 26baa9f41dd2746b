/**
 * The statements of inspectors, and of the reports of workers. A statement blocks the event loop, so that
 * each reads a bounded number of rows of an index. As in `statements.ts`, comments list the values of the
 * placeholders.
 *
 * `tests/brokers/sqlite/plans_test.ts` asserts that none of them reads more rows than it needs.
 *
 * @module
 */
import type { MessageState } from "../../core/inspection.ts";

/** Number of rows that one step of a count reads. */
export const COUNT_STEP = 20_000;

/** Value of the column `state`, the index of its messages, and the columns of that. */
const STATES: Readonly<Record<MessageState, readonly [number, string, readonly string[]]>> = {
  ready: [0, "dramatiq_ready", ["rank", "due", "id"]],
  delayed: [2, "dramatiq_delayed", ["due", "id"]],
  dead: [3, "dramatiq_dead_due", ["due", "id"]],
  unacknowledged: [1, "dramatiq_taken", ["owner", "id"]],
};

/** The statements for one state. */
interface StateStatements {
  /** Queue, values of the columns to begin after, limit. Selects a page, the oldest first. */
  readonly oldest: string;
  /** The same, the newest first. */
  readonly newest: string;
  /** Queue, values of the columns to begin after. Selects the values of the row `COUNT_STEP` further. */
  readonly step: string;
  /** Queue, values of the columns to begin after. Counts rows, up to `COUNT_STEP`. */
  readonly rest: string;
  /** Columns by which the messages are ordered. */
  readonly order: readonly string[];
}

// Empty if it is missing, as after a repair of a damaged file.
const BODY =
  "cast(coalesce(m.body,(select body from dramatiq_bodies b where b.id=m.id),x'') as blob)";
const CONTENT = `id, rank, due, owner, length(b) size, ` +
  "case when length(b)<=16384 then b else substr(b,1,2048) end data, " +
  "case when length(b)>16384 then substr(b,-2048) end tail";

/** Statements by state. */
export function statementsOf(state: MessageState): StateStatements {
  const [number, index, order] = STATES[state];
  const columns = order.join(",");
  const marks = order.map(() => "?").join(",");
  const from = (sign: string, more: string) =>
    `from dramatiq_messages m indexed by ${index} where queue=? and state=${number} and ` +
    `(${columns})${sign}(${marks}) ${more}`;
  const page = (sign: string, direction: string) =>
    `select ${CONTENT} from (select id, rank, due, owner, ${BODY} b ` +
    from(sign, `order by ${order.map((column) => column + direction).join(",")} limit ?`) + ")";
  const ordered = `order by ${columns}`;
  return {
    oldest: page(">", ""),
    newest: page("<", " desc"),
    step: `select ${columns} ${from(">", `${ordered} limit 1 offset ${COUNT_STEP - 1}`)}`,
    rest: `select count(*) count from (select 1 ${from(">", `limit ${COUNT_STEP}`)})`,
    order,
  };
}

/** Id, queue, state. */
export const SELECT_ONE = `select id, rank, due, owner, ${BODY} data from dramatiq_messages m ` +
  "where id=? and queue=? and state=?";
/** Queue. */
export const SELECT_HEAD =
  "select max(stamp, due) since from dramatiq_messages where queue=? and state=0 " +
  "order by rank, due, id limit 1";
export const SELECT_QUEUE_NAMES = "select name from dramatiq_queues limit 1000";
/** Id, queue, state. */
export const DROP_ONE = "delete from dramatiq_messages where id=? and queue=? and state=?";

/** Report, time, id. */
export const SET_REPORT = "update dramatiq_workers set report=?, reported=? where id=?";
export const SELECT_REPORTS =
  "select id, beat, host, pid, label, started, report, reported from dramatiq_workers limit 1000";
/** Minute, actor, four counts. */
export const ADD_MINUTE =
  "insert into dramatiq_minutes values(?,?,?,?,?,?) on conflict do update " +
  "set done=done+excluded.done, failed=failed+excluded.failed, retried=retried+excluded.retried, " +
  "dead=dead+excluded.dead";
/** Minute. */
export const PURGE_MINUTES = "delete from dramatiq_minutes where minute<?";
/** Minute. */
export const SELECT_MINUTES =
  "select minute, actor, done, failed, retried, dead from dramatiq_minutes where minute>=? limit 12000";

import { SqliteBroker } from "../../../mod.ts";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import type { FilledState } from "./redis_caps.ts";

/** When the first message was sent, and died: brokers purge old dead letters. */
const START = Date.now() - 86_400_000;
/** Rows of one transaction. */
const BATCH = 100_000;
const FILL =
  "with recursive n(i) as (select ? union all select i+1 from n where i<?) insert into " +
  `dramatiq_messages(queue,state,due,message_id,actor,stamp,body) select 1, ?, ${START}+i, ` +
  `'m'||i, 'work', ${START}+i, ` +
  '\'{"queue_name":"default","actor_name":"work",' +
  '"args":[\'||i||\'],"kwargs":{},"options":{},"message_id":"m\'||i||\'",' +
  `"message_timestamp":'||(${START}+i)||'}' from n`;

/** A call that was measured. */
export interface MeasuredStatements {
  readonly name: string;
  /** Statements that ran, and the most that may run. */
  readonly statements: number;
  readonly cap: number;
  /** The longest time for which the event loop stood still, in milliseconds, for people. */
  readonly longest: number;
}

/** Numbers of the states. */
const STATES: Readonly<Record<FilledState, number>> = { ready: 0, dead: 3 };

/** Fills the queue `default` of a file with as many messages of each kind. */
export async function fillSqlite(
  path: string,
  count: number,
  states: readonly FilledState[] = ["ready", "dead"],
): Promise<void> {
  await using broker = new SqliteBroker({ path });
  await broker.connect();
  const connection = connectionOf(broker);
  await connection.writer.transact(() =>
    connection.statement("insert into dramatiq_queues(id,name) values(1,'default')").run()
  );
  for (let i = 1; i <= count; i += BATCH) {
    const last = Math.min(count, i + BATCH - 1);
    for (const state of states) {
      await connection.writer.transact(() =>
        connection.statement(FILL).run(i, last, STATES[state])
      );
    }
  }
}

/**
 * Counts the statements of calls: each passes a bounded number of rows of an index, as their plans
 * say, so that their number bounds a call.
 *
 * @param path The file.
 * @param count Number of waiting messages, and of dead letters.
 */
export async function measureSqlite(path: string, count: number): Promise<MeasuredStatements[]> {
  await using broker = new SqliteBroker({ path });
  await broker.connect();
  const connection = connectionOf(broker);
  let statements = 0;
  const read = connection.statement.bind(connection);
  connection.statement = (sql) => {
    statements += 1;
    return read(sql);
  };
  await using inspector = broker.inspect();
  const counting = 2 * (count / 20_000 + 2) + 8;
  const queueName = "default";
  const measured: MeasuredStatements[] = [];
  const calls = [
    ["overview", counting, () => inspector.overview()],
    ["dead, newest page", 4 + counting, () => inspector.list({ queueName, state: "dead" })],
    ["ready, first page", 4 + counting, () => inspector.list({ queueName, state: "ready" })],
    [
      "dead, filter without a match",
      20 + counting,
      () => inspector.list({ queueName, state: "dead", actorName: "no" }),
    ],
    ["workers", 2, () => inspector.workers()],
    ["history", 2, () => inspector.history(60)],
  ] as const;
  for (const [name, cap, call] of calls) {
    const before = statements;
    let longest = 0;
    let lookedAt = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - lookedAt);
      lookedAt = performance.now();
    }, 1);
    await call();
    longest = Math.max(longest, performance.now() - lookedAt);
    clearInterval(timer);
    measured.push({ name, cap, statements: statements - before, longest });
  }
  return measured;
}

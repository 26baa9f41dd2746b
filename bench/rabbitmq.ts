/**
 * Answers: how fast is it with RabbitMQ, beside a loop that uses the client alone?
 *
 * Starts a RabbitMQ of its own. Each row of a table runs in a process of its own, of this
 * runtime, one at a time: first without the clock, for a second or more, so that the
 * compilers have seen it. All rows are run in turns, some times; the median counts. The
 * column "CPU" is the processor time of that process, RabbitMQ not included.
 *
 * - **bare** is amqplib and what a careful hand-written client would do: one confirm
 *   channel on one connection, which publishes on while it waits for confirms and heeds
 *   back-pressure; one channel on another connection with the same prefetch, which
 *   acknowledges each message, or all of one turn at once. Its messages are durable, as long
 *   as ours, and refused by the server when there is no such queue, as ours are. They are
 *   made before the clock starts; the rows that say so make them, or read them, as JSON. It
 *   has no actors, no middleware, no retries, no recovery.
 * - **ours** has the default options, the default middleware, and an asynchronous actor
 *   that does nothing.
 *
 * Publish: until RabbitMQ has confirmed the last message; then all are read back and
 * counted. Consume: from the start of a worker that is connected until the last message has
 * run and its acknowledgement is sent; each must have run exactly once, and none may be
 * left. Another process makes the backlog. Idle pick-up: from just before `send` to the
 * start of the actor, 5 to 30 ms after the message before.
 *
 * Each share is that of the quickest bare row of its table.
 *
 *     deno run -A bench/rabbitmq.ts [--messages 50000] [--runs 3]
 *       [--rows serial,publish,consume,pickup] [--contestants bare,ours]
 *     bun bench/rabbitmq.ts
 *     node bench/rabbitmq.ts
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { startOwnRabbitmq } from "../tests/support/servers/rabbitmq.ts";
import type { Findings } from "./contest/findings.ts";
import { runtimeVersion } from "./measure.ts";
import type { Work } from "./rabbitmq/assignment.ts";
import { type ContestantName, listSections, type Row } from "./rabbitmq/rows.ts";
import { runContestant } from "./rabbitmq/run_contestant.ts";
import { Table } from "./rabbitmq/table.ts";

const PICK_UPS = 400;

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "50000" },
    runs: { type: "string", default: "3" },
    rows: { type: "string", default: "serial,publish,consume,pickup" },
    contestants: { type: "string", default: "bare,ours" },
  },
});
const runs = Number(values.runs);
const parts = values.rows.split(",");
const contestants = values.contestants.split(",");
const sections = listSections(Number(values.messages)).filter(({ key }) => parts.includes(key));

await using rabbitmq = await startOwnRabbitmq();
const version = (await rabbitmq.ctl("version")).trim();
console.log(`${runtimeVersion()}, RabbitMQ ${version}, ${runs} runs, µs a message\n`);
const table = new Table();
const found = await measureRows();
for (const section of sections) table.addSection(section, found);
if (parts.includes("pickup")) table.addPickUps(await measurePickUps());
table.printBudgets();

/** Measures all rows in turns, so that what else the machine does meets all of them. */
async function measureRows(): Promise<Map<Row, Findings[]>> {
  const found = new Map<Row, Findings[]>();
  for (let run = 0; run < runs; run++) {
    for (const row of sections.flatMap(({ rows }) => rows)) {
      if (!isAsked(row.contestant)) continue;
      const findings = await measureOne(row.contestant, row.work);
      found.set(row, [...found.get(row) ?? [], findings]);
    }
  }
  return found;
}

async function measurePickUps(): Promise<Map<string, readonly number[]>> {
  const pickUps = new Map<string, readonly number[]>();
  for (const name of ["bare", "ours"] as const) {
    if (!isAsked(name)) continue;
    const { times } = await measureOne(name, { task: "pickUp", messages: PICK_UPS });
    pickUps.set(name, times);
  }
  return pickUps;
}

async function measureOne(name: ContestantName, work: Work): Promise<Findings> {
  const findings = await runContestant(name, work, rabbitmq.url);
  if (findings.problem !== undefined) {
    process.exitCode = 1;
    console.log(`WRONG, ${name}, ${JSON.stringify(work)}: ${findings.problem}`);
  }
  return findings;
}

function isAsked(name: ContestantName): boolean {
  return contestants.includes(name.split(" ")[0]!);
}

// pg-boss as a contestant of bench/redis.ts; see there for what is compared.
import process from "node:process";
import { PgBoss } from "pg-boss";
import { argumentMaker } from "../contest/arguments.ts";
import { measureContestant } from "../redis/measure_contestant.ts";
import { openPool, settingsOf } from "./postgres.mjs";

const QUEUE = "bench";

class BossContestant {
  #pool;
  #boss;
  #batch;
  #arguments;

  constructor({ server, sendBatch, size }) {
    this.#arguments = argumentMaker(size);
    this.#pool = openPool(server);
    this.#batch = sendBatch;
    // No maintenance while the clock runs.
    this.#boss = new PgBoss({
      ...settingsOf(server),
      supervise: false,
      schedule: false,
    });
    this.#boss.on("error", giveUp);
  }

  async open() {
    await this.#boss.start();
    await this.#boss.createQueue(QUEUE);
    return this;
  }

  async clear() {
    await this.#boss.deleteAllJobs(QUEUE);
  }

  async send(mode, messages) {
    const [boss, argumentsOf] = [this.#boss, this.#arguments];
    if (mode === "bulk" || mode === "oneCall") {
      const size = mode === "bulk" ? this.#batch : messages;
      const calls = [];
      for (let from = 0; from < messages; from += size) {
        const length = Math.min(size, messages - from);
        const jobs = Array.from(
          { length },
          (_, i) => ({ data: { args: argumentsOf(from + i) } }),
        );
        calls.push(boss.insert(QUEUE, jobs));
      }
      await Promise.all(calls);
    } else if (mode === "concurrent") {
      const sends = Array.from(
        { length: messages },
        (_, i) => boss.send(QUEUE, { args: argumentsOf(i) }),
      );
      await Promise.all(sends);
    } else {
      for (let i = 0; i < messages; i++) {
        await boss.send(QUEUE, { args: argumentsOf(i) });
      }
    }
  }

  async stored() {
    const { rows } = await this.#pool.query(
      "select data->'args'->0 as n from pgboss.job where name = $1 and state = 'created'",
      [QUEUE],
    );
    return rows.map(({ n }) => n);
  }

  async left() {
    const { rows } = await this.#pool.query(
      "select count(*)::int as n from pgboss.job where name = $1 and state < 'completed'",
      [QUEUE],
    );
    return rows[0].n;
  }

  /** By `fetch` and `complete`, which is quicker than `work`, whose batches wait for a timer. */
  hire({ prefetch = 16 }, ran) {
    let work = Promise.resolve();
    let isOver = false;
    const run = async () => {
      while (!isOver) {
        const jobs = await this.#boss.fetch(QUEUE, { batchSize: prefetch });
        if (jobs.length === 0) return;
        for (const job of jobs) ran(job.data.args[0]);
        await this.#boss.complete(QUEUE, jobs.map(({ id }) => id));
      }
    };
    return Promise.resolve({
      start: () => {
        // Two at a time, so that one fetches while the other's are completed.
        work = Promise.all([run(), run()]);
        work.catch(giveUp);
      },
      settled: () => work,
      close: () => {
        isOver = true;
        return work;
      },
    });
  }

  async close() {
    await this.#boss.stop({ graceful: false });
    await this.#pool.end();
  }
}

/** No job is lost to an error: the whole measurement is. */
function giveUp(error) {
  console.error(`pg-boss failed: ${error?.message}`);
  process.exit(1);
}

await measureContestant((assignment) => new BossContestant(assignment).open());

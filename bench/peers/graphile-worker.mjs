// graphile-worker as a contestant of bench/redis.ts; see there for what is compared.
import process from "node:process";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { argumentMaker } from "../contest/arguments.ts";
import { measureContestant } from "../redis/measure_contestant.ts";
import { openPool } from "./postgres.mjs";

const TASK = "noop";
const logger = new Logger(() => () => {});

class GraphileContestant {
  #pool;
  #utils;
  #batch;
  #arguments;

  constructor({ server, sendBatch, size }) {
    this.#arguments = argumentMaker(size);
    this.#pool = openPool(server);
    this.#batch = sendBatch;
  }

  async open() {
    this.#utils = await makeWorkerUtils({ pgPool: this.#pool, logger });
    await this.#utils.migrate();
    return this;
  }

  async clear() {
    await this.#pool.query("truncate graphile_worker._private_jobs");
  }

  async send(mode, messages) {
    const [utils, argumentsOf] = [this.#utils, this.#arguments];
    const job = (i) => ({
      identifier: TASK,
      payload: { args: argumentsOf(i) },
    });
    if (mode === "bulk" || mode === "oneCall") {
      const size = mode === "bulk" ? this.#batch : messages;
      const calls = [];
      for (let from = 0; from < messages; from += size) {
        const length = Math.min(size, messages - from);
        calls.push(
          utils.addJobs(Array.from({ length }, (_, i) => job(from + i))),
        );
      }
      await Promise.all(calls);
    } else if (mode === "concurrent") {
      const all = Array.from(
        { length: messages },
        (_, i) => utils.addJob(TASK, { args: argumentsOf(i) }),
      );
      await Promise.all(all);
    } else {
      for (let i = 0; i < messages; i++) {
        await utils.addJob(TASK, { args: argumentsOf(i) });
      }
    }
  }

  async stored() {
    const { rows } = await this.#pool.query(
      "select payload->'args'->0 as n from graphile_worker._private_jobs",
    );
    return rows.map(({ n }) => n);
  }

  async left() {
    const { rows } = await this.#pool.query(
      "select count(*)::int as n from graphile_worker._private_jobs",
    );
    return rows[0].n;
  }

  hire({ concurrency }, ran) {
    let runner;
    const left = () => this.left();
    return Promise.resolve({
      start: async () => {
        runner = await run({
          pgPool: this.#pool,
          logger,
          concurrency,
          noHandleSignals: true,
          // Its documentation's settings for throughput.
          preset: {
            worker: {
              localQueue: { size: 500 },
              completeJobBatchDelay: 0,
              failJobBatchDelay: 0,
            },
          },
          taskList: {
            [TASK]: ({ args }) => {
              ran(args[0]);
            },
          },
        });
        runner.promise.catch(giveUp);
      },
      // It tells when jobs are done, and not when they are deleted.
      settled: async () => {
        while (await left() > 0) {
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      },
      close: () => runner?.stop(),
    });
  }

  async close() {
    await this.#utils.release();
    await this.#pool.end();
  }
}

/** No job is lost to an error: the whole measurement is. */
function giveUp(error) {
  console.error(`graphile-worker failed: ${error?.message}`);
  process.exit(1);
}

await measureContestant((assignment) =>
  new GraphileContestant(assignment).open()
);

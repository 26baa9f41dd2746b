// BullMQ as a contestant of bench/redis.ts; see there for what is compared.
import process from "node:process";
import { Redis } from "ioredis";
import { Queue, Worker } from "bullmq";
import { argumentMaker } from "../contest/arguments.ts";
import { measureContestant } from "../redis/measure_contestant.ts";

const QUEUE = "bench";
// A job that is done is deleted, as the others delete theirs. BullMQ's default, to keep
// it for ever, takes as long.
const DONE_JOBS_ARE_DELETED = { count: 0 };

class BullContestant {
  #redis;
  #queue;
  #server;
  #batch;
  #arguments;

  constructor({ server, sendBatch, size }) {
    this.#arguments = argumentMaker(size);
    this.#server = server;
    this.#batch = sendBatch;
    this.#redis = new Redis(server);
    this.#queue = new Queue(QUEUE, { connection: { ...server } });
  }

  async send(mode, messages) {
    const [queue, argumentsOf] = [this.#queue, this.#arguments];
    if (mode === "bulk" || mode === "oneCall") {
      const size = mode === "bulk" ? this.#batch : messages;
      const calls = [];
      for (let from = 0; from < messages; from += size) {
        const length = Math.min(size, messages - from);
        const jobs = Array.from(
          { length },
          (_, i) => ({ name: "noop", data: argumentsOf(from + i) }),
        );
        calls.push(queue.addBulk(jobs));
      }
      await Promise.all(calls);
    } else if (mode === "concurrent") {
      await Promise.all(
        Array.from(
          { length: messages },
          (_, i) => queue.add("noop", argumentsOf(i)),
        ),
      );
    } else {
      for (let i = 0; i < messages; i++) {
        await queue.add("noop", argumentsOf(i));
      }
    }
  }

  async stored() {
    const indexes = [];
    const ids = await this.#redis.lrange(`bull:${QUEUE}:wait`, 0, -1);
    for (let i = 0; i < ids.length; i += 1_000) {
      const pipeline = this.#redis.pipeline();
      for (const id of ids.slice(i, i + 1_000)) {
        pipeline.hget(`bull:${QUEUE}:${id}`, "data");
      }
      for (const [error, text] of await pipeline.exec()) {
        if (error) throw error;
        indexes.push(JSON.parse(text)[0]);
      }
    }
    return indexes;
  }

  async left() {
    const counts = await this.#queue.getJobCounts();
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  async hire({ concurrency }, ran) {
    let called = 0;
    let completed = 0;
    let wake = () => {};
    const worker = new Worker(
      QUEUE,
      async (job) => {
        called++;
        ran(job.data[0]);
      },
      {
        connection: { ...this.#server, maxRetriesPerRequest: null },
        concurrency,
        autorun: false,
        removeOnComplete: DONE_JOBS_ARE_DELETED,
      },
    );
    worker.on("error", giveUp);
    worker.on("failed", (_job, error) => giveUp(error));
    worker.on("completed", () => {
      completed++;
      if (completed === called) wake();
    });
    await worker.waitUntilReady();
    return {
      start: () => void worker.run(),
      settled: async () => {
        while (completed < called) {
          await new Promise((resolve) => wake = resolve);
        }
      },
      close: () => worker.close(),
    };
  }

  async close() {
    await this.#queue.close();
    this.#redis.disconnect();
  }
}

/** No job is lost to an error: the whole measurement is. */
function giveUp(error) {
  console.error(`BullMQ failed: ${error?.message}`);
  process.exit(1);
}

await measureContestant(async (assignment) => new BullContestant(assignment));

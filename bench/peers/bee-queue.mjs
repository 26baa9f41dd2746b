// bee-queue as a contestant of bench/redis.ts; see there for what is compared.
import process from "node:process";
import { Redis } from "ioredis";
import Queue from "bee-queue";
import { argumentMaker } from "../contest/arguments.ts";
import { measureContestant } from "../redis/measure_contestant.ts";

const QUEUE = "bench";
const PREFIX = "bq";
// Nothing listens to events, and what is done is deleted, as the others delete theirs.
const SETTINGS = {
  prefix: PREFIX,
  getEvents: false,
  sendEvents: false,
  storeJobs: false,
  removeOnSuccess: true,
  removeOnFailure: true,
};

class BeeContestant {
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
    this.#queue = new Queue(QUEUE, {
      ...SETTINGS,
      redis: { ...server },
      isWorker: false,
    });
  }

  async send(mode, messages) {
    const [queue, argumentsOf] = [this.#queue, this.#arguments];
    if (mode === "bulk" || mode === "oneCall") {
      const size = mode === "bulk" ? this.#batch : messages;
      const calls = [];
      for (let from = 0; from < messages; from += size) {
        const length = Math.min(size, messages - from);
        calls.push(
          queue.saveAll(
            Array.from(
              { length },
              (_, i) => queue.createJob(argumentsOf(from + i)),
            ),
          ),
        );
      }
      for (const errors of await Promise.all(calls)) {
        if (errors.size > 0) giveUp([...errors.values()][0]);
      }
    } else if (mode === "concurrent") {
      await Promise.all(
        Array.from(
          { length: messages },
          (_, i) => queue.createJob(argumentsOf(i)).save(),
        ),
      );
    } else {
      for (let i = 0; i < messages; i++) {
        await queue.createJob(argumentsOf(i)).save();
      }
    }
  }

  async stored() {
    const indexes = [];
    const ids = await this.#redis.lrange(`${PREFIX}:${QUEUE}:waiting`, 0, -1);
    for (let i = 0; i < ids.length; i += 1_000) {
      const texts = await this.#redis.hmget(
        `${PREFIX}:${QUEUE}:jobs`,
        ids.slice(i, i + 1_000),
      );
      for (const text of texts) indexes.push(JSON.parse(text).data[0]);
    }
    return indexes;
  }

  left() {
    return this.#redis.hlen(`${PREFIX}:${QUEUE}:jobs`);
  }

  async hire({ concurrency }, ran) {
    let called = 0;
    let completed = 0;
    let wake = () => {};
    const queue = new Queue(QUEUE, { ...SETTINGS, redis: { ...this.#server } });
    queue.on("error", giveUp);
    queue.on("failed", (_job, error) => giveUp(error));
    queue.on("succeeded", () => {
      completed++;
      if (completed === called) wake();
    });
    await queue.ready();
    return {
      start: () => {
        queue.process(concurrency, async (job) => {
          called++;
          ran(job.data[0]);
        });
      },
      settled: async () => {
        while (completed < called) {
          await new Promise((resolve) => wake = resolve);
        }
      },
      close: () => queue.close(1_000),
    };
  }

  async close() {
    await this.#queue.close(1_000);
    this.#redis.disconnect();
  }
}

/** No job is lost to an error: the whole measurement is. */
function giveUp(error) {
  console.error(`bee-queue failed: ${error?.message}`);
  process.exit(1);
}

await measureContestant(async (assignment) => new BeeContestant(assignment));

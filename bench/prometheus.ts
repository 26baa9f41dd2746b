/**
 * Answers: what does `Prometheus` cost a message?
 *
 * Everything from `send` to the acknowledgement, on the in-memory broker, with the
 * default middleware, an asynchronous actor that does nothing and a backlog of 1,000;
 * without `Prometheus`, with it, and with a middleware that counts the same by the metrics
 * of prom-client. The three take turns, so that what else the machine does hits
 * all of them.
 *
 *     deno run -A bench/prometheus.ts [messages] [rounds]
 *     bun run bench/prometheus.ts
 *     node bench/prometheus.ts
 *
 * @module
 */
import process from "node:process";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  actor,
  defaultMiddleware,
  type MessageProxy,
  type Middleware,
  Prometheus,
  StubBroker,
  Worker,
} from "../mod.ts";
import { DURATION_BOUNDS } from "../middleware/prometheus/series.ts";
import { runtimeVersion } from "./measure.ts";

const MESSAGES = Number(process.argv[2] ?? 20_000);
const ROUNDS = Number(process.argv[3] ?? 31);
/** Rounds before those that count: optimizing compilers have seen it then. */
const WARM_UP = 6;
const BACKLOG = 1_000;
/** Budget of the middleware, as a share of the time that a message takes. */
const BUDGET = 0.15;

/** Result of an asynchronous actor that does nothing. */
const DONE = Promise.resolve();
const CALLS = Array.from({ length: BACKLOG }, (_, i): [number, string] => [i, "hello"]);

/** A broker with a worker, and how long its rounds took. */
interface Contestant {
  readonly name: string;
  /** Microseconds a message, a round each. */
  readonly times: number[];
  round(): Promise<void>;
}

console.log(`${runtimeVersion()}, ${MESSAGES} messages a round, ${ROUNDS} rounds each, in turns\n`);
const contestants = [
  await contestant("without Prometheus", undefined),
  await contestant("with Prometheus", new Prometheus()),
  await contestant("  beside it: metrics of prom-client", countingByPromClient()),
];
for (let round = -WARM_UP; round < ROUNDS; round++) {
  for (const each of contestants) {
    const start = performance.now();
    await each.round();
    const elapsed = performance.now() - start;
    if (round >= 0) each.times.push(elapsed * 1_000 / MESSAGES);
  }
}
report();
process.exit();

async function contestant(name: string, middleware: Middleware | undefined): Promise<Contestant> {
  const broker = new StubBroker({
    middleware: [...(middleware === undefined ? [] : [middleware]), ...defaultMiddleware()],
  });
  const noop = actor(function noop(_n: number, _text: string): Promise<void> {
    return DONE;
  }, { broker });
  const worker = new Worker(broker, { concurrency: 8 });
  await worker.start();
  const round = async () => {
    for (let sent = 0; sent < MESSAGES; sent += BACKLOG) {
      await noop.sendMany(CALLS);
      await broker.join("default");
    }
  };
  return { name, times: [], round };
}

/** Equivalent code with prom-client alone. */
function countingByPromClient(): Middleware {
  const base = { labelNames: ["actor_name", "queue_name"], registers: [new Registry()] };
  const total = new Counter({ ...base, name: "messages_total", help: "Runs" });
  const errors = new Counter({ ...base, name: "errors_total", help: "Failures" });
  const inProgress = new Gauge({ ...base, name: "inprogress", help: "Runs now" });
  const durations = new Histogram({
    ...base,
    name: "durations",
    help: "Durations",
    buckets: [...DURATION_BOUNDS],
  });
  const begun = new WeakMap<MessageProxy, number>();
  const labelsOf = ({ actorName, queueName }: MessageProxy) => ({
    actor_name: actorName,
    queue_name: queueName,
  });
  return {
    beforeProcessMessage(broker, message) {
      inProgress.inc(labelsOf(message));
      begun.set(message, broker.clock.now());
    },
    afterProcessMessage(broker, message, { exception }) {
      const labels = labelsOf(message);
      inProgress.dec(labels);
      total.inc(labels);
      durations.observe(labels, broker.clock.now() - begun.get(message)!);
      if (exception !== undefined) errors.inc(labels);
    },
  };
}

function report(): void {
  const [without] = contestants;
  console.log(`${"µs a message".padEnd(40)}   median  fastest  added, median of rounds`);
  for (const { name, times } of contestants) {
    const added = median(times.map((time, round) => time / without!.times[round]! - 1));
    const columns = [median(times), Math.min(...times)].map((time) => time.toFixed(2).padStart(9));
    console.log(`${name.padEnd(40)}${columns.join("")}${percent(added).padStart(10)}`);
  }
  const [, ours] = contestants;
  const added = median(ours!.times.map((time, round) => time / without!.times[round]! - 1));
  console.log(
    `\nPrometheus adds ${percent(added)} to a message that does nothing; ` +
      `the budget is ${percent(BUDGET)}: ${added <= BUDGET ? "kept" : "EXCEEDED"}`,
  );
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

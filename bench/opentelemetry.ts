/**
 * Answers: what does `OpenTelemetry` cost a message, without an SDK?
 *
 * Everything from `send` to the acknowledgement, on the in-memory broker, with the default
 * middleware, an asynchronous actor that does nothing and a backlog of 1,000, without `OpenTelemetry`
 * and with it; and one by one. Both take turns, and processor time counts, so that what else the
 * machine does matters little. Beside it: with the SDK, all spans sampled and thrown away.
 *
 *     deno run -A bench/opentelemetry.ts [messages] [rounds]
 *     bun run bench/opentelemetry.ts
 *     node bench/opentelemetry.ts
 *
 * @module
 */
import process from "node:process";
import { SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { actor, defaultMiddleware, type Middleware, StubBroker, Worker } from "../mod.ts";
import { OpenTelemetry } from "../opentelemetry/mod.ts";
import { runtimeVersion } from "./measure.ts";

const MESSAGES = Number(process.argv[2] ?? 20_000);
const ROUNDS = Number(process.argv[3] ?? 31);
/** Rounds before those that count: optimizing compilers have seen it then. */
const WARM_UP = 6;
const BACKLOG = 1_000;
/** Budget of the middleware, as a share of the time that a message takes. */
const BUDGET = 0.1;

/** Result of an asynchronous actor that does nothing. */
const DONE = Promise.resolve();
const CALLS = Array.from({ length: BACKLOG }, (_, i): [number, string] => [i, "hello"]);

/** Ways to send messages. */
const SENDINGS = ["in batches of 1,000", "one by one"] as const;
type Sending = typeof SENDINGS[number];

/** A broker with a worker, and how long its rounds took. */
interface Contestant {
  readonly name: string;
  /** Microseconds of the processor a message, a round each. */
  readonly times: number[];
  round(sending: Sending): Promise<void>;
}

console.log(`${runtimeVersion()}, ${MESSAGES} messages a round, ${ROUNDS} rounds each, in turns\n`);
const nothing = {
  export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
  shutdown: () => Promise.resolve(),
};
const tracerProvider = new TracerProvider({
  spanProcessors: [new SimpleSpanProcessor({ exporter: nothing })],
});
const without = await contestant("without OpenTelemetry", undefined);
const withApi = await contestant("with OpenTelemetry, no SDK", new OpenTelemetry());
for (const sending of SENDINGS) await compare(sending, withApi, BUDGET);
// Last, so that what it leaves on the heap does not slow the other rows.
const withSdk = await contestant("beside it: with an SDK", new OpenTelemetry({ tracerProvider }));
for (const sending of SENDINGS) await compare(sending, withSdk);
process.exit();

async function compare(sending: Sending, other: Contestant, budget?: number): Promise<void> {
  const pair = [without, other];
  for (const { times } of pair) times.length = 0;
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // Whoever comes second finds the heap of the first.
    for (const each of round % 2 === 0 ? pair : pair.toReversed()) {
      const start = process.cpuUsage();
      await each.round(sending);
      const { user, system } = process.cpuUsage(start);
      if (round >= 0) each.times.push((user + system) / MESSAGES);
    }
  }
  const added = median(other.times.map((time, round) => time / without.times[round]! - 1));
  console.log(`${`µs of processor, sent ${sending}`.padEnd(44)}   median  fastest`);
  for (const { name, times } of pair) {
    const columns = [median(times), Math.min(...times)].map((time) => time.toFixed(2).padStart(9));
    console.log(`${name.padEnd(44)}${columns.join("")}`);
  }
  const verdict = budget === undefined
    ? ""
    : `; the budget is ${percent(budget)}: ${added <= budget ? "kept" : "EXCEEDED"}`;
  console.log(`adds ${percent(added)} in the median of the rounds${verdict}\n`);
}

async function contestant(name: string, middleware: Middleware | undefined): Promise<Contestant> {
  const broker = new StubBroker({
    middleware: [...(middleware === undefined ? [] : [middleware]), ...defaultMiddleware()],
  });
  const noop = actor(function noop(_n: number, _text: string): Promise<void> {
    return DONE;
  }, { broker });
  const worker = new Worker(broker, { concurrency: 8 });
  await worker.start();
  const round = async (sending: Sending) => {
    for (let sent = 0; sent < MESSAGES; sent += BACKLOG) {
      if (sending === "in batches of 1,000") await noop.sendMany(CALLS);
      else await Promise.all(CALLS.map(([n, text]) => noop.send(n, text)));
      await broker.join("default");
    }
  };
  return { name, times: [], round };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

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

/** A way to send messages. */
type Sending = "in batches of 1,000" | "one by one";

/** A broker with a worker, and how long its rounds took. */
interface Contestant {
  readonly name: string;
  /** Microseconds of the processor a message, a round each. */
  readonly times: Record<Sending, number[]>;
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
const contestants = [
  await contestant("without OpenTelemetry", undefined),
  await contestant("with OpenTelemetry, no SDK", new OpenTelemetry()),
  await contestant("  beside it: with the SDK", new OpenTelemetry({ tracerProvider })),
];
for (const sending of ["in batches of 1,000", "one by one"] as const) {
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // Whoever is first after the others finds another heap.
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const each of order) {
      const start = process.cpuUsage();
      await each.round(sending);
      const { user, system } = process.cpuUsage(start);
      if (round >= 0) each.times[sending].push((user + system) / MESSAGES);
    }
  }
  report(sending);
}
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
  const round = async (sending: Sending) => {
    for (let sent = 0; sent < MESSAGES; sent += BACKLOG) {
      if (sending === "in batches of 1,000") await noop.sendMany(CALLS);
      else await Promise.all(CALLS.map(([n, text]) => noop.send(n, text)));
      await broker.join("default");
    }
  };
  return { name, times: { "in batches of 1,000": [], "one by one": [] }, round };
}

function report(sending: Sending): void {
  const [without] = contestants;
  const base = without!.times[sending];
  console.log(`${`µs of processor, sent ${sending}`.padEnd(44)}   median  fastest      added`);
  const added = contestants.map(({ name, times }) => {
    const own = times[sending];
    const share = median(own.map((time, round) => time / base[round]! - 1));
    const columns = [median(own), Math.min(...own)].map((time) => time.toFixed(2).padStart(9));
    console.log(`${name.padEnd(44)}${columns.join("")}${percent(share).padStart(11)}`);
    return share;
  });
  const verdict = added[1]! <= BUDGET ? "kept" : "EXCEEDED";
  console.log(`The budget without an SDK is ${percent(BUDGET)}: ${verdict}\n`);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/**
 * Uses a server that does not let it in, prints all that there is to see of the error, and dies of
 * it. `LOGIN` says what to use, and with which options.
 *
 * @module
 */
import process from "node:process";
import { inspect } from "node:util";
import { configure, type LogRecord } from "@logtape/logtape";
import { Cluster } from "ioredis";
import {
  actor,
  type Broker,
  ConcurrentRateLimiter,
  MemcachedRateLimiterBackend,
  MemcachedResultBackend,
  Message,
  RabbitmqBroker,
  RedisBroker,
  RedisRateLimiterBackend,
  RedisResultBackend,
} from "@dq/dramatiq";

/** Class to use, and its options. */
export type Login = readonly [kind: keyof typeof KINDS, options: Readonly<Record<string, unknown>>];

const message = new Message({ queueName: "default", actorName: "work", args: [], kwargs: {} });

const KINDS = {
  redis: (options: object) => send(new RedisBroker(options)),
  rabbitmq: (options: object) => send(new RabbitmqBroker(options)),
  redisConsumer: (options: object) => consume(new RedisBroker(options)),
  rabbitmqConsumer: (options: object) => consume(new RabbitmqBroker(options)),
  cluster: ({ node, password }: { node: { host: string; port: number }; password: string }) => {
    const client = new Cluster([node], { lazyConnect: true, redisOptions: { password } });
    return send(new RedisBroker({ client, namespace: "{dramatiq}" }));
  },
  redisResults: (options: object) => new RedisResultBackend(options).getResult(message),
  memcachedResults: (options: object) => new MemcachedResultBackend(options).getResult(message),
  redisLimits: (options: object) => acquire(new RedisRateLimiterBackend(options)),
  memcachedLimits: (options: object) => acquire(new MemcachedRateLimiterBackend(options)),
};

/** The first error that is logged. */
const outage = Promise.withResolvers<unknown>();

async function send(broker: Broker): Promise<void> {
  await actor(function work() {}, { broker }).send();
}

async function consume(broker: Broker): Promise<void> {
  broker.declareQueue("default");
  const consumer = broker.consume("default");
  void (async () => {
    for await (const _ of consumer);
  })();
  // It goes on trying.
  throw await outage.promise;
}

async function acquire(backend: ConstructorParameters<typeof ConcurrentRateLimiter>[0]) {
  await using _slot = await new ConcurrentRateLimiter(backend, "key").acquire();
}

/** All texts that can be reached from a value, also by properties that nothing lists. */
function textsOf(value: unknown, seen: Set<unknown> = new Set()): string[] {
  if (typeof value !== "object" || value === null) return [String(value)];
  if (seen.has(value)) return [];
  seen.add(value);
  const names = Reflect.ownKeys(value);
  return names.flatMap((name) => [String(name), ...textsOf(Reflect.get(value, name), seen)]);
}

function show(value: unknown): void {
  console.log(value);
  console.log(inspect(value, { depth: Infinity, showHidden: true }));
  console.log(textsOf(value));
}

await configure({
  sinks: {
    all: (record: LogRecord) => {
      console.log(record.message.join(""));
      show(record.properties);
      if (record.level === "error") outage.resolve(record.properties["error"]);
    },
  },
  loggers: [
    { category: "dramatiq", sinks: ["all"], lowestLevel: "trace" },
    { category: ["logtape", "meta"], sinks: [] },
  ],
});

const [kind, options] = JSON.parse(process.env["LOGIN"]!) as Login;
try {
  await KINDS[kind](options as never);
  console.log("It was let in");
  process.exit(0);
} catch (error) {
  console.log("It was not let in");
  show(error);
  setTimeout(() => {
    throw error;
  });
}

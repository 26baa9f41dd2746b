import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  actor,
  type ActorOptions,
  type Broker,
  type Encoded,
  group,
  type Message,
  type MessageProxy,
  type Middleware,
  pipeline,
  RedisResultBackend,
  ResultFailure,
  Results,
  type ResultsOptions,
  Retry,
  SkipMessage,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { fromWireOptions } from "../../core/message_options.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { untag } from "../support/vectors.ts";
import { captures, type MiddlewareCase } from "./captures.ts";
import { assertGotten } from "./gotten.ts";

const server = await startRedis();
after(() => server.stop());

/** Notes what is stored, in order. */
class WatchedBackend extends RedisResultBackend {
  readonly stores: { value: unknown; ttl_ms: number }[] = [];

  protected override async store(key: string, data: Encoded, ttl: number): Promise<void> {
    this.stores.push({ value: JSON.parse(data as string), ttl_ms: ttl });
    await super.store(key, data, ttl);
  }
}

/** Middleware of the captures: what its middleware does by options of the message. */
const skipping: Middleware = {
  actorOptions: ["skip", "mark_failed"],
  beforeProcessMessage(_broker: Broker, message: MessageProxy): void {
    if (message.option("mark_failed") === true) message.fail();
    if (message.option("skip") === "fail") message.fail();
    if (message.option("skip") !== undefined) throw new SkipMessage("told to skip");
  },
};

/** An error as Python's is called. */
function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

class KeyError extends Error {}

/** Actors of the captures: those do that do not return 1. */
const ACTORS: Readonly<Record<string, (attempt: number) => unknown>> = {
  "success": () => ({ x: 1 }),
  "success-none": () => undefined,
  "success-unstorable": () => new Set([1, 2]),
  "success-on-third-attempt": (attempt) => attempt < 3 ? fail("ValueError", "nope") : attempt,
  "failure-no-retries": () => fail("ValueError", "nope"),
  "failure-after-2-retries": () => fail("ValueError", "nope"),
  "failure-throws": () => {
    throw new KeyError("'k'");
  },
  "failure-retry-exception": () => {
    throw new Retry("later", { delay: 1 });
  },
  "failure-unicode": () => fail("ValueError", "zażółć"),
  "failure-empty-message": () => fail("ValueError", ""),
  "failure-base-exception": () => fail("KeyboardInterrupt", ""),
  "failure-store-results-off": () => fail("ValueError", "nope"),
  "time-limit": () => new Promise(() => {}),
  "piped": () => 5,
};

function fail(name: string, message: string): never {
  throw named(name, message);
}

/** Difference, on purpose, of, on purpose. */
const DIFFERENCES: Readonly<Record<string, { reason: string; failure: string | undefined }>> = {
  "success-unstorable": {
    reason: "a result that cannot be stored sends its message to the dead letters",
    failure: "actor raised FollowUpNotStored: Cannot store the result: Cannot encode",
  },
  "age-limit": {
    reason: "the text says which message, and how old it may be",
    failure: "actor raised SkipMessage: Message ",
  },
  "time-limit": {
    reason: "the text says how long it may take",
    failure: "actor raised TimeLimitExceeded: ",
  },
  "marked-failed-before-processing": {
    reason: "what failed without a word is not a success for a moment",
    failure: undefined,
  },
};

function optionsOf(vector: MiddlewareCase): ActorOptions {
  const { throws, ...rest } = fromWireOptions(vector.actor_options ?? {});
  return throws === undefined
    ? rest as ActorOptions
    : { ...rest, throws: KeyError } as ActorOptions;
}

async function runStep(vector: MiddlewareCase, backend: WatchedBackend): Promise<Message> {
  const broker = new StubBroker({ failFast: false });
  broker.addMiddleware(skipping);
  const options = fromWireOptions(vector.results_options ?? {}) as Partial<ResultsOptions>;
  broker.addMiddleware(new Results({ backend, ...options }));
  let attempts = 0;
  const act = ACTORS[vector.label] ?? (() => 1);
  const one = actor(() => act(++attempts), { broker, actorName: "one", ...optionsOf(vector) });
  await using worker = new Worker(broker);
  await worker.start();
  let message = one.messageWithOptions(fromWireOptions(vector.message_options ?? {}));
  if (vector.label === "unknown-actor") message = message.copy({ actorName: "nobody" });
  if (vector.label === "age-limit") message = message.copy({ messageTimestamp: 1_000 });
  await broker.enqueue(message);
  await broker.join("default", { timeout: 60_000 });
  await worker.join();
  return message;
}

for (const vector of captures.middleware.cases) {
  const { label } = vector;
  // Reference: Results
  test(`Results stores what Python stores: ${label}`, async () => {
    await using backend = new WatchedBackend({
      url: server.url,
      namespace: `replay-${crypto.randomUUID()}`,
      useNamespacePrefixKeys: label === "prefixed-key",
    });
    const message = await runStep(vector, backend);
    const difference = DIFFERENCES[label];
    if (difference === undefined) {
      const wanted = vector.stores.map((store) => ({ ...store, value: untag(store.value) }));
      assertEquals(backend.stores, wanted);
    } else {
      assertEquals(backend.stores.length, 1, difference.reason);
    }
    const key = backend.buildMessageKey(message);
    assertEquals(key.includes("default:one:"), label === "prefixed-key");
    const stored = await server.command("LRANGE", key, 0, -1) as string[];
    if (difference?.failure === undefined) {
      assertEquals(stored, vector.stored?.elements ?? []);
      if (vector.get_result) await assertGotten(backend.getResult(message), vector.get_result);
    } else {
      const failure = await assertRejects(() => backend.getResult(message), ResultFailure);
      assert(failure.message.startsWith(difference.failure), failure.message);
    }
  });
}

test("Results keeps what pipelines and groups give under the key of each message", async () => {
  await using backend = new RedisResultBackend({
    url: server.url,
    namespace: `replay-${crypto.randomUUID()}`,
  });
  const broker = new StubBroker();
  broker.addMiddleware(new Results({ backend, storeResults: true }));
  const add = actor((a: number, b: number) => a + b, { broker, actorName: "add" });
  await using worker = new Worker(broker);
  await worker.start();
  const chain = pipeline([add.message(1, 2), add.message(3), add.message(4)], { broker });
  const sums = group([add.message(1, 1), add.message(2, 2)], { broker });
  await chain.run();
  await sums.run();
  const { pipeline: ofChain, group: ofGroup } = captures.composition;
  assertEquals(await chain.getResult({ block: true }), ofChain["get_result"]);
  assertEquals(await Array.fromAsync(chain.getResults()), ofChain["get_results"]);
  assertEquals(await chain.completedCount, ofChain["completed_count"]);
  assertEquals(await Array.fromAsync(sums.getResults({ block: true })), ofGroup["get_results"]);
  assertEquals(await sums.completedCount, ofGroup["completed_count"]);
  for (const [i, message] of chain.messages.entries()) {
    const [text] = await server.command(
      "LRANGE",
      backend.buildMessageKey(message),
      0,
      -1,
    ) as string[];
    assertEquals(Number(text), (ofChain["get_results"] as number[])[i]);
  }
});

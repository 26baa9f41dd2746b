/**
 * Results that a server can never store: too large, or for too long.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  actor,
  FollowUpNotStored,
  MemcachedResultBackend,
  Message,
  RedisResultBackend,
  type ResultBackend,
  ResultFailure,
  Results,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { testOwn } from "../servers/own.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startOwnRedis } from "../support/servers/redis.ts";

/** Runs something with a backend whose server takes small results only. */
type WithBackend = (run: (backend: ResultBackend, limit: number) => Promise<void>) => Promise<void>;

const withRedis: WithBackend = async (run) => {
  const limit = 1_048_576; // No smaller one can be set.
  await using server = await startOwnRedis({ args: ["--proto-max-bulk-len", `${limit}`] });
  await using backend = new RedisResultBackend({ url: server.url });
  await run(backend, limit);
};

const withMemcached: WithBackend = async (run) => {
  const limit = 524_288;
  await using server = await startOwnMemcached({
    args: ["-I", `${limit}`],
  });
  await using backend = new MemcachedResultBackend({ servers: server.address });
  await run(backend, limit);
};

/** A broker that stores results, and what runs all that is on it. */
function setFixture(backend: ResultBackend) {
  const broker = new StubBroker({ failFast: false });
  broker.addMiddleware(new Results({ backend, storeResults: true }));
  const run = async () => {
    await using worker = new Worker(broker);
    await worker.start();
    await broker.join("default");
    await worker.stop();
  };
  return { broker, run };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const LONG = { block: true, timeout: 20_000 };

const servers = [["Redis", "redis-server", withRedis], ["memcached", "memcached", withMemcached]];
for (const [name, program, withBackend] of servers as [string, "memcached", WithBackend][]) {
  const test = testOwn(program);

  test(`Results on ${name}: only the message whose result is too large goes to the dead letters, and all run once`, () =>
    withBackend(async (backend, limit) => {
      const { broker, run } = setFixture(backend);
      const runs = new Map<number, number>();
      const repeat = actor(async (n: number, length: number) => {
        runs.set(n, (runs.get(n) ?? 0) + 1);
        await Promise.resolve();
        return `${n} ${"x".repeat(length)}`;
      }, { broker, actorName: "repeat" });
      const messages = await repeat.sendMany(
        numbers(20).map((n) => [n, n === 10 ? 2 * limit : 10]),
      );
      await run();
      assertEquals([...runs.values()], numbers(20).map(() => 1));
      for (const [n, message] of messages.entries()) {
        const result = message.getResult({ backend, ...LONG });
        if (n !== 10) assertEquals(await result, `${n} ${"x".repeat(10)}`);
        else await assertRejects(() => result, ResultFailure, "FollowUpNotStored");
      }
      const [dead, ...others] = broker.allDeadLetters;
      assertEquals([others.length, dead!.args[0]], [0, 10]);
      assert(dead!.exception instanceof FollowUpNotStored, String(dead!.exception));
    }));

  test(`Results on ${name}: a failure whose text is too large is stored with less of it`, () =>
    withBackend(async (backend, limit) => {
      const text = "No luck ".repeat(limit / 4);
      const message = new Message({ queueName: "default", actorName: "work", args: [] });
      for (const withTraceback of [false, true]) {
        await backend.storeException(message, new Error(text), { ttl: 60_000, withTraceback });
        const failure = await assertRejects(() => backend.getResult(message), ResultFailure);
        assertEquals(failure.origExcType, "Error");
        assertStringIncludes(failure.origExcMsg, "No luck No luck");
      }
    }));

  test(`Results on ${name}: a time to live that no server accepts is ignored, and affects no other result`, () =>
    withBackend(async (backend) => {
      const { broker, run } = setFixture(backend);
      let runs = 0;
      const work = actor(() => ++runs, { broker, actorName: "work" });
      const odd = ["Infinity", "9223372036854775808", "1e300", "-Infinity", "NaN", "-5", '"9"'];
      const sent = [...odd, "1000000"].map((ttl) =>
        Message.decode(
          `{"queue_name":"default","actor_name":"work","args":[],"kwargs":{},"options":{"result_ttl":` +
            `${ttl}},"message_id":"${crypto.randomUUID()}","message_timestamp":5}`,
        )
      );
      await broker.enqueueMany([...sent, ...numbers(8).map(() => work.message())] as Message[]);
      await run();
      assertEquals([runs, broker.allDeadLetters], [sent.length + 8, []]);
      for (const message of sent) {
        assertEquals(typeof await message.getResult({ backend, ...LONG }), "number");
      }
    }));

  test(`ResultBackend on ${name} refuses a time to live that is none, and stores what comes with it`, () =>
    withBackend(async (backend) => {
      const of = () => ({ queueName: "q", actorName: "a", messageId: crypto.randomUUID() });
      const [good, forever] = [of(), of()];
      const outcomes = await Promise.allSettled([
        backend.storeResult(of(), 1, Infinity),
        backend.storeResult(good, 2, 60_000),
        backend.storeResult(of(), 3, NaN),
        backend.storeResult(of(), 4, 2 ** 63),
        backend.storeResult(forever, 5, Number.MAX_SAFE_INTEGER),
        backend.storeResult(of(), 6, -Infinity),
      ]);
      assertEquals(
        outcomes.map((one) => one.status === "rejected" && one.reason instanceof RangeError),
        [true, false, true, true, false, false],
      );
      assertEquals(await backend.getResult(good), 2);
      assertEquals(await backend.getResult(forever), 5);
    }));
}

import { assert, assertEquals } from "@std/assert";
import {
  actor,
  group,
  GroupCallbacks,
  MemcachedRateLimiterBackend,
  type MessageProxy,
  pipeline,
  type RateLimiterBackend,
  RedisRateLimiterBackend,
  StubBroker,
} from "@dq/dramatiq";
import { testOwn } from "../servers/own.ts";
import { exchange } from "../support/servers/exchange.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import vectors from "../vectors/rate_limits.json" with { type: "json" };
import {
  type CapturedKey,
  type CapturedKeys,
  Fixture,
  type Scenario,
  scenarios,
  type Step,
  stepRunners,
} from "./replay.ts";
import { differences } from "./replay_differences.ts";

/** Everything on them is dropped: they have to be our own. */
const declare = { redis: testOwn("redis-server"), memcached: testOwn("memcached") };
const nothing = undefined as never;
const redis = declare.redis === test ? await startOwnRedis() : nothing;
const memcached = declare.memcached === test ? await startOwnMemcached() : nothing;
after(async () => {
  await redis?.stop();
  await memcached?.stop();
});

/** Ways to look at a server, and make time pass there. */
interface Server {
  open(): RateLimiterBackend;
  clear(): Promise<unknown>;
  /**
   * All keys, in the form of the capture.
   *
   * @param known Keys to look at in any case: memcached does not always list all.
   */
  dump(known: Iterable<string>): Promise<CapturedKeys>;
  /** Makes keys older, as waiting would. */
  age(keys: CapturedKeys, ms: number): Promise<void>;
}

/** Sends a line to memcached, and reads up to a last line. */
async function ask(line: string, lastLine: RegExp): Promise<string> {
  return await exchange(memcached, `${line}\r\n`, (received) => {
    const text = received.toString("latin1");
    return lastLine.test(text) ? text : undefined;
  });
}

async function dumpOfMemcached(known: Iterable<string>): Promise<CapturedKeys> {
  const list = await ask("lru_crawler metadump all", /(^|\n)(END|BUSY.*)\r\n$/);
  const listed = Array.from(list.matchAll(/key=(\S+)/g), ([, key]) => decodeURIComponent(key!));
  const keys: Record<string, CapturedKey> = {};
  for (const key of new Set([...known, ...listed])) {
    const answer = await ask(`mg ${key} t f v`, /^(EN\r\n|VA (\d+).*\r\n[^]*\r\n)$/);
    const [, ttl, flags, value] = /^VA \d+ t(-?\d+) f(\d+)\r\n([^]*)\r\n$/.exec(answer) ?? [];
    if (value !== undefined) keys[key] = { value, flags: Number(flags), ttl_s: Number(ttl) };
  }
  return keys;
}

async function dumpOfRedis(): Promise<CapturedKeys> {
  const keys: Record<string, CapturedKey> = {};
  for (const key of await redis.command("KEYS", "*") as string[]) {
    const type = await redis.command("TYPE", key) as string;
    const read = type === "list" ? ["LRANGE", key, 0, -1] : ["GET", key];
    const value = await redis.command(...read) as string | string[] | null;
    const pttl_ms = await redis.command("PTTL", key) as number;
    if (value !== null && pttl_ms !== -2) keys[key] = { type, value, pttl_ms };
  }
  return keys;
}

const servers: Readonly<Record<Scenario["backend"], Server>> = {
  redis: {
    open: () => new RedisRateLimiterBackend({ url: redis.url }),
    clear: () => redis.command("FLUSHALL"),
    dump: dumpOfRedis,
    async age(keys, ms) {
      for (const [key, { pttl_ms }] of Object.entries(keys)) {
        await redis.command("PEXPIRE", key, pttl_ms! - ms);
      }
    },
  },
  memcached: {
    open: () => new MemcachedRateLimiterBackend({ servers: memcached.address }),
    clear: () => ask("flush_all", /OK/),
    dump: dumpOfMemcached,
    async age(keys, ms) {
      for (const [key, { ttl_s }] of Object.entries(keys)) {
        await ask(`touch ${key} ${Math.floor(ttl_s! - ms / 1_000)}`, /TOUCHED/);
      }
    },
  },
};

/** Stand-ins for the exceptions that Python raises. */
const RAISED: Record<string, string> = {
  AssertionError: "RangeError",
  RateLimitExceeded: "RateLimitExceeded",
};

for (const { backend, scenario, steps } of scenarios) {
  const runStep = stepRunners[scenario]?.();
  if (runStep === undefined) continue;
  const known = differences[`${backend} ${scenario}`] ?? {};

  // Reference: rate_limits.backends.MemcachedBackend, rate_limits.backends.RedisBackend
  declare[backend](`replay: ${scenario} on ${backend} leaves what Python leaves`, async () => {
    const server = servers[backend];
    await server.clear();
    await using opened = server.open();
    const fixture = new Fixture(opened);
    const all = steps.flatMap(({ keys }) => Object.keys(keys));
    // A key may have been set by any step before.
    const start = performance.now();
    for (const [i, step] of steps.entries()) {
      const waited = (step.server_seconds_waited_before ?? 0) * 1_000;
      if (waited > 0) await server.age(steps[i - 1]!.keys, waited);
      fixture.now = step.clock_ms;
      const outcome = await runStep(step.step, fixture).then(
        (returned) => ({ returned: returned ?? nothingAt(step) }),
        (error) => ({ raised: error.constructor.name }),
      );
      const { reason, keys: change = same, ...other } = known[i + 1] ?? {};
      const expected = step.raised === undefined
        ? { returned: step.returned }
        : { raised: RAISED[step.raised.type] };
      const told = `step ${i + 1}, ${step.step}${reason ? ` (but ${reason})` : ""}`;
      assertEquals(outcome, Object.keys(other).length > 0 ? other : expected, told);
      const changed = change(step.keys);
      const left = await server.dump([...all, ...Object.keys(changed)]);
      assertSameKeys(left, changed, start, told);
    }
  });
}

const same = (keys: CapturedKeys) => keys;

/** A verb says `undefined` of a counter that is not there, where Python says `False`. */
function nothingAt({ step }: Step): unknown {
  return step.startsWith("decr of a missing key") ? false : null;
}

function assertSameKeys(
  actual: CapturedKeys,
  expected: CapturedKeys,
  start: number,
  told: string,
): void {
  const elapsed = performance.now() - start;
  const isOver = ({ pttl_ms = Infinity, ttl_s = Infinity }: CapturedKey) =>
    Math.min(pttl_ms, (ttl_s === -1 ? 1 : ttl_s) * 1_000) <= elapsed;
  const due = Object.entries(expected).filter(([key, one]) => key in actual || !isOver(one));
  assertEquals(Object.keys(actual).toSorted(), due.map(([key]) => key).toSorted(), told);
  for (const [key, { pttl_ms, ttl_s, ...rest }] of due) {
    const { pttl_ms: ours = 0, ttl_s: seconds = 0, ...actualRest } = actual[key]!;
    assertEquals(actualRest, rest, `${key} after ${told}`);
    if (pttl_ms !== undefined) {
      // What the capture waited, we did not: then a key of 899 s has 900.
      const most = pttl_ms > 10_000 ? Math.ceil(pttl_ms / 10_000) * 10_000 : pttl_ms;
      const least = Math.max(0, pttl_ms - 10_000);
      assert(ours > least && ours <= most, `${key} lives ${ours} ms, not ${pttl_ms}: ${told}`);
    } else if (ttl_s !== -1) {
      // Two may be the fraction of a second that Python drops, and the one for the clock's tick.
      const least = Math.max(0, ttl_s! - 10);
      assert(seconds > least && seconds <= ttl_s! + 2, `${key} lives ${seconds} s: ${told}`);
    } else {
      assert(seconds > 0, `${key} never expires: ${told}`);
    }
  }
}

declare.redis(
  "replay: the counter on Redis is given its whole time again at every change",
  async () => {
    await servers.redis.clear();
    await using backend = servers.redis.open();
    await backend.add("key", 1, 60_000);
    for (
      const change of [
        () => backend.incr("key", 1, 9, 60_000),
        () => backend.decr("key", 1, 0, 60_000),
        () => backend.incrAndSum("key", ["key"], 1, 9, 60_000),
      ]
    ) {
      await redis.command("PEXPIRE", "key", 30_000);
      await change();
      assert(await redis.command("PTTL", "key") as number > 30_000);
    }
  },
);

for (const { backend, scenario, steps } of scenarios) {
  if (scenario !== "group-callbacks") continue;

  declare[backend](
    `replay: a group with callbacks makes the barrier of Python on ${backend}`,
    async () => {
      const server = servers[backend];
      await server.clear();
      await using opened = server.open();
      const broker = new StubBroker({ middleware: [new GroupCallbacks(opened)] });
      const work = actor(() => {}, { broker, actorName: "work" });
      const piped = pipeline([work.message(), work.message()], { broker });
      const made = group([work.message(), work.message(), piped], { broker });
      made.addCompletionCallback(work.message());
      await made.run();
      const [member] = await firstMessages(broker);
      const key = member!.option("groupCompletionUuid") as string;
      const expected = { [key]: Object.values(steps[0]!.keys)[0]! };
      assertSameKeys(await server.dump([key]), expected, performance.now(), "run");
    },
  );
}

async function firstMessages(broker: StubBroker): Promise<readonly MessageProxy[]> {
  await using consumer = broker.consume("default");
  return await consumer.receive(1);
}

test("replay: all scenarios and constructor checks of the capture are known here", () => {
  const strange = scenarios.filter(({ scenario }) =>
    stepRunners[scenario] === undefined && scenario !== "group-callbacks"
  );
  assertEquals(strange, []);
  assertEquals(vectors.constructor_checks.map(({ call }) => call), [
    "ConcurrentRateLimiter limit=0",
    "BucketRateLimiter limit=0",
    "WindowRateLimiter limit=0",
    "WindowRateLimiter window=0",
  ]);
});

import { assertEquals, assertGreater } from "@std/assert";
import {
  actor,
  type Clock,
  defaultMiddleware,
  group,
  GroupCallbacks,
  MemcachedRateLimiterBackend,
  type RateLimiterBackend,
  RedisRateLimiterBackend,
  StubBroker,
  systemClock,
  Worker,
} from "@dq/dramatiq";
import { testOwn } from "../servers/own.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { startRedis } from "../support/servers/redis.ts";
import type { ServerAddress } from "../support/servers/exchange.ts";

const GROUPS = 2;
const MEMBERS = 500;
/** Members that end between two cuts. */
const MEMBERS_PER_CUT = 20;
/** Pauses before another attempt are shortened: they are not what is tested. */
const hurried: Clock = {
  ...systemClock,
  setTimer: (callback, ms) => systemClock.setTimer(callback, ms / 20),
};

/** Runs groups while their backend is cut off again and again, and counts their callbacks. */
async function runUnderCuts(
  server: ServerAddress,
  open: (address: string) => RateLimiterBackend,
): Promise<void> {
  await using proxy = await startProxy(server);
  await using backend = open(`${proxy.host}:${proxy.port}`);
  const middleware = [...defaultMiddleware(), new GroupCallbacks(backend)];
  await using broker = new StubBroker({ clock: hurried, failFast: false, middleware });
  let runs = 0;
  const callbacks = new Array<number>(GROUPS).fill(0);
  const member = actor(() => {
    runs += 1;
    if (runs % MEMBERS_PER_CUT === 0) void proxy.cut();
  }, { broker, actorName: "member" });
  const done = actor((n: number) => void callbacks[n]!++, { broker, actorName: "done" });
  for (let n = 0; n < GROUPS; n++) {
    const made = group(Array.from({ length: MEMBERS }, () => member.message()), { broker });
    made.addCompletionCallback(done.message(n));
    await made.run();
  }
  await using worker = new Worker(broker, { concurrency: 32 });
  await worker.start();
  await broker.join("default");
  assertEquals(callbacks, new Array<number>(GROUPS).fill(1));
  assertGreater(proxy.totalConnections, 10, "hardly anything was cut");
}

testOwn("memcached")(
  "GroupCallbacks of 500 members are sent once though Memcached is cut off",
  async () => {
    await using server = await startOwnMemcached();
    await runUnderCuts(server, (servers) => new MemcachedRateLimiterBackend({ servers }));
  },
);

testOwn("redis-server")(
  "GroupCallbacks of 500 members are sent once though Redis is cut off",
  async () => {
    await using server = await startRedis();
    await runUnderCuts(server, (address) => {
      return new RedisRateLimiterBackend({ url: `redis://${address}` });
    });
  },
);

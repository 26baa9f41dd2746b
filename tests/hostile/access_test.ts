/**
 * Producers and workers with the permissions of `docs/security.md`, and no others.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  actor,
  Barrier,
  type Broker,
  BucketRateLimiter,
  ConcurrentRateLimiter,
  ConnectionFailed,
  RabbitmqBroker,
  RedisBroker,
  RedisRateLimiterBackend,
  RedisResultBackend,
  Results,
  WindowRateLimiter,
  Worker,
} from "@dq/dramatiq";
import { GaugeReader } from "../../control/gauge_reader.ts";
import { ROOT } from "../cli/fixture.ts";
import { testLong } from "../servers/own.ts";
import { startOwnRabbitmq } from "../support/servers/rabbitmq.ts";
import { attachRedis } from "../support/servers/redis.ts";
import { until } from "../support/servers/until.ts";
import { commandsOf, denials, DENIED, PAGE, startWithUsers, urlOf } from "./permissions.ts";

const testRedis = testLong("redis-server");
const testRabbitmq = testLong("rabbitmq-server");

/** Runs a program of a producer, then one of a worker. */
async function sendAndWork(
  producer: Broker,
  worker: RedisBroker | RabbitmqBroker,
): Promise<void> {
  const ran: unknown[] = [];
  let failures = 0;
  const declare = (broker: Broker) => {
    const options = { broker, maxRetries: 1, minBackoff: 50, maxBackoff: 50 };
    const work = actor(function work(name: string) {
      ran.push(name);
      return name;
    }, options);
    const fail = actor(function fail(): void {
      failures += 1;
      throw new Error("on purpose");
    }, options);
    return { work, fail };
  };
  const { work, fail } = declare(producer);
  await producer.connect();
  await work.send("one");
  await work.sendWithOptions({ args: ["soon"], delay: 200 });
  await work.sendWithOptions({ args: ["late"], delay: 3_600_000 });
  await producer.enqueueMany(["two", "three"].map((name) => work.message(name)));
  await fail.send();
  await producer.close();

  declare(worker);
  const running = new Worker(worker, { timeout: 5_000 });
  await running.start();
  await until(() => Promise.resolve(ran.length === 4 && failures === 2), {
    what: "run what was sent",
    timeout: 30_000,
  });
  await until(async () => (await worker.getQueueMessageCounts("default")).dead === 1, {
    what: "keep a dead letter",
    timeout: 30_000,
  });
  assertEquals([...ran].sort(), ["one", "soon", "three", "two"]);
  await running.stop();
  await worker.close();
}

testRedis(
  "A producer and a worker on Redis need the permissions of docs/security.md only",
  async () => {
    await using server = await startWithUsers();
    const backend = new RedisResultBackend({
      url: urlOf("worker", server),
      useNamespacePrefixKeys: true,
    });
    const producer = new RedisBroker({ url: urlOf("producer", server) });
    const worker = new RedisBroker({ url: urlOf("worker", server), heartbeatTimeout: 1_000 });
    worker.addMiddleware(new Results({ backend, storeResults: true }));
    const dead = new RedisBroker({
      url: urlOf("worker", server),
      heartbeatTimeout: 1_000,
      maintenanceInterval: Infinity,
    });
    await sendAndWork(producer, worker);

    // One that a dead worker had is taken over.
    const survivor = new RedisBroker({ url: urlOf("worker", server), heartbeatTimeout: 1_000 });
    survivor.addMiddleware(new Results({ backend, storeResults: true }));
    const echo = actor(function echo(text: string) {
      return text;
    }, { broker: survivor, queueName: "second" });
    const message = await echo.send("heard");
    await dead.consume("second").receive(1);
    const running = new Worker(survivor);
    await running.start();
    assertEquals(await message.getResult({ backend, block: true, timeout: 30_000 }), "heard");
    const letters = await Array.fromAsync(survivor.deadLetters("default"));
    assertEquals(letters.length, 1);
    await survivor.maintain(); // It would be some time before it did by itself.
    await running.stop();
    for (const one of [survivor, dead, backend]) await one.close();
    assertEquals(await denials(server), []);
  },
);

testRedis(
  "Rate limits and barriers on Redis need the permissions of docs/security.md only",
  async () => {
    await using server = await startWithUsers();
    const backend = new RedisRateLimiterBackend({ url: urlOf("worker", server) });
    const limiters = [
      new ConcurrentRateLimiter(backend, "limits:slots", { limit: 2 }),
      new WindowRateLimiter(backend, "limits:window", { limit: 2 }),
      new BucketRateLimiter(backend, "limits:bucket", { limit: 2 }),
    ];
    for (const limiter of limiters) {
      await using slot = await limiter.acquire();
      assert(slot.acquired);
    }
    const barrier = new Barrier(backend, "limits:barrier", { ttl: 60_000 });
    await barrier.create(2);
    const first = barrier.wait({ timeout: 10_000 });
    await barrier.wait({ block: false });
    assertEquals(await first, true);
    await backend.close();
    assertEquals(await denials(server), []);
  },
);

testRedis("A producer on Redis can neither take messages nor ask for passwords", async () => {
  await using server = await startWithUsers();
  const broker = new RedisBroker({ url: urlOf("producer", server) });
  await actor(function work() {}, { broker }).send();
  await broker.close();
  const producer = attachRedis(urlOf("producer", server));
  for (
    const command of [
      ["LPOP", "dramatiq:default"],
      ["HGETALL", "dramatiq:default.msgs"],
      ["EVAL", "return redis.call('LPOP', KEYS[1])", 1, "dramatiq:default"],
      ["SET", "other", 1],
      ["CONFIG", "GET", "requirepass"],
      ["FLUSHALL"],
      ["KEYS", "*"],
    ]
  ) {
    const error = await assertRejects(() => producer.command(...command), Error);
    assertMatch(error.message, DENIED);
  }
  const worker = attachRedis(urlOf("worker", server));
  for (const command of [["CONFIG", "GET", "*"], ["FLUSHALL"], ["GET", "other"]]) {
    const error = await assertRejects(() => worker.command(...command), Error);
    assertMatch(error.message, DENIED);
  }
});

testRedis(
  "docs/security.md allows workers whatever the scripts of brokers and backends do",
  async () => {
    const rules = commandsOf("redis-cli ACL SETUSER").filter(([user]) => user === "worker").flat();
    for (
      const file of [
        "brokers/redis/scripts.ts",
        "brokers/redis/dead_letter_scripts.ts",
        "brokers/redis/delayed_scripts.ts",
        "brokers/redis/recovery_scripts.ts",
        "brokers/redis/suspect_scripts.ts",
        "control/backends/redis_scripts.ts",
        "results/backends/redis_scripts.ts",
        "rate_limits/backends/redis_scripts.ts",
      ]
    ) {
      const text = await readFile(join(ROOT, file), "utf8");
      const names = [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name]) => name!);
      assert(names.length > 0);
      for (const name of names) {
        assert(
          rules.includes(`+${name.toLowerCase()}`),
          `${file}: ${name}`,
        );
      }
    }
  },
);

testRabbitmq(
  "A producer and a worker on RabbitMQ need the permissions of docs/security.md only",
  async () => {
    await using server = await startOwnRabbitmq();
    for (const permissions of commandsOf("rabbitmqctl set_permissions")) {
      const user = permissions[2]!;
      await server.ctl("add_user", user, "password");
      await server.ctl("set_permissions", ...permissions);
    }
    const open = (user: string) =>
      new RabbitmqBroker({ url: `amqp://${user}:password@${server.host}:${server.port}` });
    await sendAndWork(open("producer"), open("worker"));

    for (const [user, reporting] of [["worker", undefined], ["reporter", 1]] as const) {
      await using broker = open(user);
      broker.declareQueue("default");
      await using running = new Worker(broker);
      await running.start();
      const gauges = async (name: string) =>
        (await new GaugeReader(broker).read()).find((gauge) => gauge.name === name)?.samples ?? [];
      assertEquals((await gauges("dramatiq_broker_up"))[0]!.value, 1);
      assertEquals((await gauges("dramatiq_queue_messages")).length, 3);
      await until(async () => (await gauges("dramatiq_workers"))[0]?.value === reporting, {
        what: `see the worker of ${user}`,
        timeout: 30_000,
      });
    }

    const stranger = open("producer");
    await assertRejects(
      () => actor(function work() {}, { broker: stranger, queueName: "other" }).send(),
      Error,
      "ACCESS_REFUSED",
    );
    await stranger.close();
  },
);

testRedis("A permission that is missing on Redis is an outage, and costs no message", async () => {
  await using server = await startWithUsers();
  await server.command("ACL", "SETUSER", "producer", "-rpush");
  await server.command("ACL", "SETUSER", "worker", "-lpop");
  const producer = new RedisBroker({ url: urlOf("producer", server) });
  const send = actor(function work() {}, { broker: producer });
  const error = await assertRejects(() => send.send(), ConnectionFailed);
  assertMatch(error.message, DENIED);
  await server.command("ACL", "SETUSER", "producer", "+rpush");
  const { messageId } = await send.send();
  await producer.close();

  const worker = new RedisBroker({ url: urlOf("worker", server) });
  worker.declareQueue("default");
  const receiving = worker.consume("default").receive(1);
  await until(async () => (await denials(server)).includes("lpop"), { what: "be denied" });
  await server.command("ACL", "SETUSER", "worker", "+lpop");
  const [received] = await receiving;
  assertEquals(received!.messageId, messageId);
  await worker.close();
});

testRedis("A producer on Redis may be held to some queues", async () => {
  await using server = await startWithUsers();
  const keys = PAGE.match(/`(~dramatiq:__\*)`[^`]*`mails`, `(\S+)`,\s+`(\S+)`/)!.slice(1);
  await server.command("ACL", "SETUSER", "producer", "resetkeys", ...keys);
  const broker = new RedisBroker({ url: urlOf("producer", server) });
  const mail = actor(function mail() {}, { broker, queueName: "mails" });
  await mail.send();
  await mail.sendWithOptions({ delay: 60_000 });
  const other = actor(function other() {}, { broker });
  await assertRejects(() => other.send(), ConnectionFailed);
  await broker.close();
});

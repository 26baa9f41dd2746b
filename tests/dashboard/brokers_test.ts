import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Broker, Message, RedisBroker, SqliteBroker, Worker } from "@dq/dramatiq";
import { Fixture } from "../cli/fixture.ts";
import { testLong } from "../servers/own.ts";
import { withFolder } from "../support/folder.ts";
import { startOwnRedis, startRedis } from "../support/servers/redis.ts";
import { sendCommands } from "../support/servers/resp.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { faultOf, requeueKilled } from "../torture/bulk/killed_requeue.ts";
import { fillRedis } from "../torture/inspecting/redis_caps.ts";
import { dieOf, Site } from "./fixture.ts";

/** Commands of one page: those of 2,000 messages that a search reads at most, and of the figures. */
const MAX_COMMANDS = 10_000;
/** Bytes: a search reads 4 MiB at most. */
const MAX_BYTES = 5 * 2 ** 20;

/** Dead letters of an actor that no worker knows. */
async function bury(broker: Broker, queueName: string, count: number): Promise<void> {
  broker.declareQueue(queueName);
  const messages = Array.from(
    { length: count },
    (_, i) => new Message({ queueName, actorName: "ghost", args: [i] }),
  );
  await broker.enqueueMany(messages);
  const worker = new Worker(broker, { concurrency: 64 });
  await worker.start();
  await broker.join(queueName, { timeout: 60_000 });
  await worker.stop();
}

test("The dashboard of an SqliteBroker lists dead letters, requeues and drops them", () =>
  withFolder(async (folder) => {
    await using site = new Site({}, new SqliteBroker({ path: join(folder, "tasks.db") }));
    await dieOf(site.broker, "work", ["one", "two", "three"]);
    const { messages } = await site.json("/queues/default/dead?error=two");
    assertEquals(messages.length, 1);
    const key = encodeURIComponent(messages[0].key);
    await site.post(`/messages/default/dead/${key}/requeue`);
    await site.post("/operations", {
      queue: "default",
      state: "dead",
      change: "drop",
      expected: "2",
    });
    await eventually("see it end", async () => (await site.json("/operations/1")).state === "done");
    const { queues } = await site.json("/");
    assertEquals([queues[0].ready, queues[0].dead], [1, 0]);
  }));

test("Pages of a RedisBroker that cannot be reached say so", async () => {
  await using site = new Site({}, new RedisBroker({ url: "redis://:secret@127.0.0.1:1" }));
  const page = await site.get("/");
  assertEquals(page.status, 200);
  const text = await page.text();
  assertMatch(text, /has not answered since/);
  assert(!/secret/.test(text), text);
});

testLong("redis-server")("Pages read a bounded part of a Redis with many messages", async () => {
  const redis = await startRedis();
  try {
    const broker = new RedisBroker({ url: redis.url, middleware: [] });
    await using site = new Site({}, broker);
    await bury(broker, "dead", 5_000);
    const message = () => new Message({ queueName: "dead", actorName: "ghost", args: [] });
    await broker.enqueueMany(Array.from({ length: 5_000 }, message));
    const { hostname: host, port } = new URL(redis.url);
    const send = (...command: string[]) => sendCommands({ host, port: Number(port) }, [command]);
    const paths = [
      "/",
      "/dead",
      "/queues/dead/dead",
      "/queues/dead/dead?error=none",
      "/find?id=none",
    ];
    paths.push("/queues/dead/waiting", "/queues/dead/waiting?actor=none");
    paths.push("/operations/new?queue=dead&state=dead&change=requeue");
    for (const path of paths) {
      await send("CONFIG", "RESETSTAT");
      assertEquals((await site.get(path)).status, 200, path);
      const [stats] = await send("INFO", "everything");
      const calls = [...String(stats).matchAll(/^cmdstat_[^:]+:calls=(\d+)/gm)]
        .reduce((sum, [, count]) => sum + Number(count), 0);
      const bytes = Number(/total_net_output_bytes:(\d+)/.exec(String(stats))?.[1]);
      assert(calls > 0 && calls <= MAX_COMMANDS, `${path}: ${calls} commands`);
      assert(bytes <= MAX_BYTES, `${path}: ${bytes} bytes`);
      assert(!/cmdstat_keys/.test(String(stats)), path);
    }
  } finally {
    await redis.stop();
  }
});

for (const means of ["dashboard", "jobs retry"] as const) {
  testLong("redis-server")(`A killed ${means} loses no message, and doubles none`, async () => {
    const COUNT = 4_000;
    await using fixture = await Fixture.open();
    const redis = await startOwnRedis();
    try {
      await fillRedis(redis, COUNT, ["dead"]);
      await using broker = new RedisBroker({ url: redis.url, middleware: [] });
      broker.declareQueue("default");
      const requeued = await requeueKilled(fixture, means, redis.url, broker);
      assertEquals(faultOf(requeued, COUNT), undefined);
    } finally {
      await redis.stop();
    }
  });
}

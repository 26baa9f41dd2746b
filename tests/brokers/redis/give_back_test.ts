import { assertEquals } from "@std/assert";
import { actor, RedisBroker, Worker } from "@dq/dramatiq";
import { startProxy } from "../../support/servers/proxy.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { eventually } from "../../support/servers/until.ts";
import { withEnvironment } from "../../support/environment.ts";
import { after, test } from "../../support/test.ts";

const server = await startRedis();
after(() => server.stop());

/** More than a worker fetches at once by itself. */
const MESSAGES = 40;

test("RedisBroker gives back once what a stopped worker leaves, though the answer is lost", async () => {
  await using proxy = await startProxy(server);
  const { pathname } = new URL(server.url);
  await using broker = new RedisBroker({
    url: `redis://${proxy.host}:${proxy.port}${pathname}`,
    namespace: crypto.randomUUID(),
    maintenanceInterval: 100,
  });
  const runs: number[] = [];
  const held = Promise.withResolvers<void>();
  const work = actor(async (n: number) => {
    if (n === 0) await held.promise;
    runs.push(n);
  }, { actorName: "work", broker });
  const [first, second] = [1, 2].map(() => new Worker(broker, { concurrency: 1 }));
  await withEnvironment({ dramatiq_queue_prefetch: "80" }, () => first!.start());
  for (let n = 0; n < MESSAGES; n++) await work.send(n);
  await eventually("see all fetched", async () => {
    return (await broker.getQueueMessageCounts("default")).unacknowledged === MESSAGES;
  });
  await second!.start();
  // The give-back is run, and its answer cut off: by then the other worker has fetched again.
  proxy.begin({ kind: "cut", answers: 0 });
  const stopped = first!.stop();
  await eventually("see the connections cut", () => Promise.resolve(proxy.connections === 0));
  proxy.heal();
  held.resolve();
  await stopped;
  await broker.join("default");
  await second!.stop();
  assertEquals(runs.toSorted((a, b) => a - b), Array.from({ length: MESSAGES }, (_, n) => n));
});
